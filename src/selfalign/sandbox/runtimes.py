"""The runtimes by name, and the choice of the strongest that works here."""

from __future__ import annotations

import logging
import sysconfig
import tempfile
import threading
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from selfalign.core.config.execution import BUILD, STDLIB
from selfalign.core.errors import ConfigError, InfrastructureError
from selfalign.program_environments import ProgramEnvironment, program_environment
from selfalign.sandbox.bubblewrap import Bubblewrap
from selfalign.sandbox.engines import Apptainer, ContainerEngine
from selfalign.sandbox.launch import (
    GUEST,
    INTERPRETER_ENVIRONMENT,
    Launch,
    Runtime,
    zygote_settings,
)
from selfalign.sandbox.selftest import self_test
from selfalign.sandbox.types import Limits

logger = logging.getLogger(__name__)

# Pools that are opened at the same time share one self-test.
_self_tests = threading.Lock()


class NoIsolation:
    """The zygote without a sandbox around it: limits, but no isolation.

    For programs that are trusted, or machines that are disposable. Must be asked for by name.

    Args:
        environment: what programs can import; None: ``build``.
    """

    name = "none"
    isolates = False

    def __init__(self, environment: ProgramEnvironment | None = None) -> None:
        self.environment = environment or program_environment(BUILD)
        logger.warning(
            "runtime 'none': programs are NOT isolated; they run as this user, with its files and network"
        )

    def image(self) -> str:
        """Return the digest of the interpreter and its packages."""
        return self.environment.digest()

    def launch(self, _most: Limits, /, warm: Sequence[str] = ()) -> Launch:
        """Return how to start one slot, with a directory of its own.

        Args:
            _most: not used: nothing limits the slot as a whole.
            warm: pieces of Python run before the first program, besides the usual imports.
        """
        directory = Path(tempfile.mkdtemp(prefix="selfalign-"))
        packages = self.environment.packages or sysconfig.get_paths()["purelib"]
        environment = {
            "HOME": str(directory),
            **INTERPRETER_ENVIRONMENT,
            "PYTHONPATH": "" if self.environment.name == STDLIB else str(packages),
            "TMPDIR": str(directory),
        }
        settings = zygote_settings(uid=None, writable=[str(directory)], warm=warm)
        command = [self.environment.interpreter.executable, "-sS", str(GUEST / "zygote.py"), settings]
        return Launch(command, environment, directory)


# Each is made with the name of its image and the environment of the programs.
RUNTIMES: dict[str, Callable[[str, ProgramEnvironment | None], Runtime]] = {
    "gvisor": lambda image, environment: ContainerEngine("gvisor", image, environment),
    "docker": lambda image, environment: ContainerEngine("docker", image, environment),
    "podman": lambda image, environment: ContainerEngine("podman", image, environment),
    "apptainer": Apptainer,
    "bubblewrap": lambda _, environment: Bubblewrap(environment),
    "none": lambda _, environment: NoIsolation(environment),
}
WITHOUT_IMAGE = ("bubblewrap", "none")
# Strongest first: gvisor has a kernel of its own; docker and podman put a memory cap around the whole slot and
# hide the host's interpreter; apptainer has the image only. `none` is never chosen.
AUTOMATIC = ("gvisor", "docker", "podman", "apptainer", "bubblewrap")


def find_runtime(name: str, image: str = "", environment: ProgramEnvironment | None = None) -> Runtime:
    """Return the runtime called `name`; ``auto``: the strongest that passes its self-test on this machine.

    Args:
        name: one of :data:`RUNTIMES`, or ``auto``.
        image: of a container engine (reference, or a ``.sif`` file); empty: the default.
        environment: what programs can import; None: ``build``.

    Raises:
        ConfigError: no such runtime.
        InfrastructureError: ``auto`` finds none that works.
    """
    if name in RUNTIMES:
        return RUNTIMES[name](image, environment)
    if name != "auto":
        allowed = ", ".join(["auto", *RUNTIMES])
        raise ConfigError(f"configuration: 'execution.runtime' is {name!r}; allowed: {allowed}")
    reasons = []
    for candidate in AUTOMATIC:
        with _self_tests:
            failure = first_failure(candidate, image)
        if failure is None:
            stronger = "; ".join(reasons)
            logger.info(
                "runtime auto: %s, which passes its self-test%s", candidate, stronger and f" (not {stronger})"
            )
            return RUNTIMES[candidate](image, environment)
        reasons.append(f"{candidate}: {failure}")
    raise InfrastructureError(
        "no runtime isolates programs on this machine (`selfalign doctor` says what is there): "
        + "; ".join(reasons)
    )


@cache
def first_failure(name: str, image: str) -> str | None:
    """Return the first check of its self-test that a runtime fails, None if it passes; tried once per process.

    The test does not depend on the environment of the programs.

    Args:
        name: one of :data:`RUNTIMES`.
        image: of a container engine; empty: the default.
    """
    failures = [check for check in self_test(RUNTIMES[name](image, None)) if check.problem]
    return f"{failures[0].name} ({failures[0].problem})" if failures else None
