"""Self-repair: ask again for the failed samples of another benchmark, with the failed solution and its error.

As in LiveCodeBench, each failed sample gets one further attempt and a sample that passed is kept, so that the score is the
share of tasks that are solved at the first or the second attempt.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from selfalign.benchmarks import Benchmark, Task
from selfalign.core.errors import DataError
from selfalign.core.jsonl import Record, read_jsonl

# Of verdicts. Not imported, because a change of the scoring must not make samples stale.
TIMEOUT, WRONG = "timeout", "wrong answer"
# Characters of an input or an expected output in a prompt.
MAX_SHOWN = 300


@dataclass(frozen=True, slots=True)
class FirstAttempt:
    """A sample of the benchmark whose samples are repaired, with its verdict.

    Attributes:
        task: task of the benchmark.
        sample: the line of the sample file.
        verdict: the line of the verdicts.
    """

    task: Task
    sample: Record
    verdict: Record

    @property
    def passed(self) -> bool:
        """Whether the sample passed all tests."""
        return self.verdict["passed"]

    def as_task(self) -> Task:
        """Return the task with what a prompt may say of the attempt: its solution, and feedback on it."""
        said = feedback(self.task, self.verdict["base"])
        return replace(
            self.task,
            record={
                **self.task.record,
                "failed_solution": self.sample["solution"],
                "feedback": said,
                "feedback_commented": said.replace("\n", "\n# "),
            },
        )


def read_first_attempts(
    samples: str | Path, verdicts: str | Path, benchmark: Benchmark
) -> Iterator[list[FirstAttempt]]:
    """Yield the first attempts at each task, in the order of the tasks.

    Args:
        samples: sample file of the benchmark whose samples are repaired.
        verdicts: verdicts on these samples, see :func:`~selfalign.evaluate.scoring.write_verdicts`.
        benchmark: the benchmark of the second attempts, which has the same tasks.

    Raises:
        DataError: samples and verdicts do not belong together, or do not belong to these tasks.
    """
    found = {(row["task_id"], row["sample"]): row for row in read_jsonl(verdicts)}
    rows = groupby(read_jsonl(samples), key=lambda row: row["task_id"])
    for task in benchmark.tasks:
        name, attempts = next(rows, (None, ()))
        if name != task.id:
            raise DataError(
                f"expected the samples of task '{task.id}', found those of '{name}'", file=samples
            )
        yield [FirstAttempt(task, row, _verdict(found, row, verdicts)) for row in attempts]


def _verdict(found: Mapping[tuple[str, int], Record], row: Mapping[str, Any], file: str | Path) -> Record:
    key = row["task_id"], row["sample"]
    if key not in found:
        raise DataError(f"expected a verdict on sample {key[1]} of task '{key[0]}'", file=file)
    return found[key]


def feedback(task: Task, verdict: Mapping[str, Any]) -> str:
    """Return what a failed solution is told about its failure: the error, and the test case, shortened.

    Args:
        task: task of the benchmark.
        verdict: ``status``, ``reason``, ``failing_input`` and, for a wrong answer, ``output``.
    """
    if verdict["status"] == TIMEOUT:
        said = "It exceeds the time limit."
    elif verdict["reason"] == WRONG:
        said = "Its answer is wrong."
    else:
        said = f"It fails with {verdict['reason']}."
    place = verdict["failing_input"]
    if place is None:
        return said
    case = task.record["cases"][place]
    lines = [said, f"Input:\n{_shortened(case['input']).rstrip()}"]
    if "output" in verdict:
        lines.append(f"Output:\n{verdict['output'].rstrip()}")
    return "\n".join([*lines, f"Expected output:\n{_shortened(case['output']).rstrip()}"])


def _shortened(text: str) -> str:
    half = MAX_SHOWN // 2
    return text if len(text) <= MAX_SHOWN else f"{text[:half]} ... {text[-half:]}"
