"""LiveCodeBench's scoring: cases by standard input or by a call."""

from __future__ import annotations

from selfalign.benchmarks import Task
from selfalign.evaluate.harness import contest
from selfalign.evaluate.scorers.base import harness_program, limits
from selfalign.sandbox import Program

# The benchmark's limit for a case, which counts wall time; here it is CPU time.
SECONDS = 6.0
MEMORY_MB = 4096
# No more than this for all the cases of a task.
TOTAL_S = 600.0


class Contest:
    """See the module."""

    parts: tuple[str, ...] = ("base",)

    def program(self, key: str, task: Task, solution: str, _part: str, /) -> Program:
        """Return the program that runs all cases of the task, public and private, up to the first failure."""
        cases = task.record["cases"]
        job = {"code": solution, "function": task.entry_point, "cases": cases, "limit": SECONDS}
        return harness_program(
            key, contest, job, limits(min(TOTAL_S, (SECONDS + 1) * len(cases) + 5), MEMORY_MB)
        )

    def cost(self, _task: Task, _part: str, /) -> float:
        """Return 0: it is not known beforehand."""
        return 0.0
