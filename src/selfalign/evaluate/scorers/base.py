"""What a scorer is."""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any, Protocol

from selfalign.benchmarks import Task
from selfalign.evaluate.harness import harness_source
from selfalign.sandbox import Limits, Program

# Wall time is only a net under the CPU limits, for answers that sleep; wide, so that a busy machine does not matter.
WALL_FACTOR = 6.0
WALL_SLACK_S = 30.0
# Interpreter and imports of the harness, in seconds of CPU time.
STARTUP_S = 4.0


class Scorer(Protocol):
    """Turns the solution of a task into one program for each part of its verdict."""

    parts: tuple[str, ...]

    def program(self, key: str, task: Task, solution: str, part: str, /) -> Program:
        """Return a program that passes if and only if `solution` passes `part` of the task's tests."""
        ...

    def cost(self, task: Task, part: str, /) -> float:
        """Return about how many seconds of CPU time a right answer takes, beyond what all take."""
        ...


def limits(cpu_s: float, memory_mb: int) -> Limits:
    """Return the sandbox's limits for a program that may use `cpu_s` seconds of CPU time."""
    return Limits(
        wall_s=WALL_FACTOR * cpu_s + WALL_SLACK_S, cpu_s=cpu_s + STARTUP_S, memory_mb=memory_mb, file_mb=64
    )


def harness_program(key: str, module: ModuleType, job: dict[str, Any], limits: Limits) -> Program:
    """Return the program that runs a harness module on a job."""
    return Program(key, harness_source(module), stdin=json.dumps(job), limits=limits)
