"""DS-1000's scoring: the task's own test functions around the inserted code."""

from __future__ import annotations

from selfalign.benchmarks import Task
from selfalign.evaluate.harness import MOST, script
from selfalign.evaluate.scorers.base import harness_program, limits
from selfalign.sandbox import Program

# The benchmark's limit for a task, which counts wall time; here it is CPU time.
SECONDS = 120.0


class DataScience:
    """See the module."""

    parts: tuple[str, ...] = ("base",)

    def program(self, key: str, task: Task, solution: str, _part: str, /) -> Program:
        """Return the task's context, followed by calls of its test functions on the answer."""
        calls = ["test_execution(code)"]
        if "test_string(" in task.tests:
            calls.append("test_string(code)")
        source = "\n".join([task.tests, f"code = {solution!r}", *calls, ""])
        job = {"program": source, "limit": SECONDS}
        return harness_program(key, script, job, limits(SECONDS, MOST.memory_mb))

    def cost(self, _task: Task, _part: str, /) -> float:
        """Return 0: it is not known beforehand."""
        return 0.0
