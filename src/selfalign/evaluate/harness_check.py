"""The check that the harness tells right from wrong, before it judges anything."""

from __future__ import annotations

from selfalign.benchmarks import Benchmark, Task
from selfalign.core.errors import InfrastructureError
from selfalign.evaluate.scorers import Scorer
from selfalign.sandbox import Pool

_ECHO = Task(
    id="echo",
    prompt="",
    canonical_solution="",
    record={"cases": [{"input": "1\n", "output": "1\n", "testtype": "stdin"}]},
)
WRONG = "raise RuntimeError('a wrong answer')\n"


def check_harness(benchmark: Benchmark, scorer: Scorer, pool: Pool) -> None:
    """Score known right and wrong answers: a sandbox that lacks a package must not look like a verdict.

    They are to the first task of each package that the benchmark is about.

    Raises:
        InfrastructureError: one comes out otherwise.
    """
    tasks: dict[str, Task] = {}
    for task in benchmark.tasks:
        tasks.setdefault(task.package, task if task.canonical_solution else _ECHO)
    part = scorer.parts[0]
    known = [
        (task, answer, solution)
        for task in tasks.values()
        for answer, solution in (("right", _right(benchmark, task)), ("wrong", WRONG))
    ]
    programs = [
        scorer.program(f"{task.id}: {answer} answer", task, solution, part)
        for task, answer, solution in known
    ]
    for (task, answer, _), verdict in zip(known, pool.run(programs), strict=True):
        passed = verdict.status == "passed"
        if answer == "right" and not passed:
            last = verdict.stderr.strip().splitlines()[-1:]
            raise InfrastructureError(
                f"the sandbox ({pool.runtime}) fails the reference solution of {task.id}, so its verdicts would mean "
                f"nothing: {verdict.status} {''.join(last)}"
            )
        if answer == "wrong" and passed:
            raise InfrastructureError(f"the sandbox ({pool.runtime}) passes a wrong answer to {task.id}")


def _right(benchmark: Benchmark, task: Task) -> str:
    return "print(input())\n" if task is _ECHO else benchmark.reference_solution(task)
