"""The runtimes by name, and the choice of the strongest that works here."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache

from selfalign.core.errors import ConfigError, InfrastructureError
from selfalign.sandbox.bare import Bare
from selfalign.sandbox.bubblewrap import Bubblewrap
from selfalign.sandbox.engines import Apptainer, Docker, Podman
from selfalign.sandbox.launch import Runtime
from selfalign.sandbox.selftest import self_test

logger = logging.getLogger(__name__)

# Each is made with the name of its image, which bubblewrap and none do not have.
RUNTIMES: dict[str, Callable[[str], Runtime]] = {
    "gvisor": lambda image: Docker(image, "runsc"),
    "docker": Docker,
    "podman": Podman,
    "apptainer": Apptainer,
    "bubblewrap": lambda _: Bubblewrap(),
    "none": lambda _: Bare(),
}
# Strongest first: gvisor has a kernel of its own; docker and podman put a memory cap around the whole slot and
# hide the host's interpreter; apptainer has the image only. `none` is never chosen.
AUTOMATIC = ("gvisor", "docker", "podman", "apptainer", "bubblewrap")


def find_runtime(name: str, image: str = "") -> Runtime:
    """Return the runtime called `name`; ``auto``: the strongest that passes its self-test on this machine.

    Args:
        name: one of :data:`RUNTIMES`, or ``auto``.
        image: of a container engine (reference, or a ``.sif`` file); empty: the default.

    Raises:
        ConfigError: no such runtime.
        InfrastructureError: ``auto`` finds none that works.
    """
    if name in RUNTIMES:
        return RUNTIMES[name](image)
    if name != "auto":
        allowed = ", ".join(["auto", *RUNTIMES])
        raise ConfigError(f"configuration: 'execution.runtime' is {name!r}; allowed: {allowed}")
    reasons = []
    for candidate in AUTOMATIC:
        runtime = RUNTIMES[candidate](image)
        failure = first_failure(candidate, image)
        if failure is None:
            stronger = "; ".join(reasons)
            logger.info(
                "runtime auto: %s, which passes its self-test%s", candidate, stronger and f" (not {stronger})"
            )
            return runtime
        reasons.append(f"{candidate}: {failure}")
    raise InfrastructureError(
        "no runtime isolates programs on this machine (`selfalign doctor` says what is there): "
        + "; ".join(reasons)
    )


@cache
def first_failure(name: str, image: str) -> str | None:
    """Return the first check of its self-test that a runtime fails; tried once in a process."""
    failures = [check for check in self_test(RUNTIMES[name](image)) if check.problem]
    return f"{failures[0].name} ({failures[0].problem})" if failures else None
