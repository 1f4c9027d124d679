"""Sample files: one sample per line, in EvalPlus' layout (``task_id`` with ``completion`` or ``solution``)."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from selfalign.benchmarks import Benchmark, Task
from selfalign.core.errors import DataError
from selfalign.core.jsonl import Record, read_numbered, require


@dataclass(frozen=True, slots=True)
class Sample:
    """One solution to a task.

    Attributes:
        task: task of the benchmark.
        number: number of the sample within its task, from 0.
        solution: source text that the tests run: a whole program or, for DS-1000, the code to insert.
    """

    task: Task
    number: int
    solution: str


def read_samples(path: str | Path, benchmark: Benchmark) -> list[Sample]:
    """Return the samples in `path`, in the order of the benchmark's tasks.

    A ``solution`` is taken as it is; a ``completion`` is appended to the prompt code of its task, if it has any.

    Args:
        path: JSON Lines file.
        benchmark: the benchmark that the samples belong to.

    Raises:
        DataError: a task id is unknown, tasks have no sample, a sample is repeated (same task and ``sample``
            number or, without numbers, same text), tasks have different numbers of samples, or a field is missing.
    """
    tasks = benchmark.by_id()
    found: dict[str, list[tuple[int, str]]] = {task_id: [] for task_id in tasks}
    records: dict[tuple[str, object], int] = {}
    repeated: DataError | None = None
    numbered: bool | None = None
    for number, record in read_numbered(path):
        task = _task_of(record, tasks, benchmark, path, number)
        solution = _solution_of(record, task, path, number)
        position = _number_of(record, path, number)
        if numbered not in (None, position is not None):
            raise DataError(
                "expected this field in every record or in none", file=path, record=number, field="sample"
            )
        numbered = position is not None
        identity = (task.id, solution if position is None else position)
        if identity in records:
            repeated = repeated or DataError(
                f"sample of task '{task.id}' is repeated; it occurs first in record {records[identity]}",
                file=path,
                record=number,
            )
            if numbered:
                raise repeated
        records.setdefault(identity, number)
        found[task.id].append((len(found[task.id]) if position is None else position, solution))
    counts = {task_id: len(samples) for task_id, samples in found.items()}
    # Equal samples are legitimate if every task has several and at least one task has different ones.
    distinct = Counter(task_id for task_id, _ in records)
    if repeated and (len(set(counts.values())) > 1 or all(distinct[task_id] <= 1 for task_id in counts)):
        raise repeated
    _check_counts(path, benchmark, counts)
    return [
        Sample(tasks[task_id], rank, solution)
        for task_id, samples in found.items()
        for rank, (_, solution) in enumerate(sorted(samples, key=lambda item: item[0]))
    ]


@dataclass(frozen=True, slots=True)
class SyntaxCheck:
    """Number of samples whose solution is not a Python program.

    Attributes:
        samples: number of samples checked.
        syntax_errors: number of them that do not compile.
        code_fences: number of those that begin with a Markdown code fence.
    """

    samples: int
    syntax_errors: int
    code_fences: int

    def warning(self) -> str | None:
        """Return a sentence about the samples that do not compile, or None if all do."""
        if not self.syntax_errors:
            return None
        verb = "does" if self.syntax_errors == 1 else "do"
        line = f"{self.syntax_errors} of {self.samples} samples {verb} not compile"
        if not self.code_fences:
            return line
        count = "all" if self.code_fences == self.syntax_errors else f"{self.code_fences} of them"
        return (
            f"{line}; {count} begin with a code fence (```), which is scored as part of the program: "
            "extract the code from the fence before scoring"
        )


def check_syntax(samples: Sequence[Sample]) -> SyntaxCheck:
    """Count the samples that do not compile.

    Args:
        samples: samples of a benchmark whose solutions are whole programs.
    """
    broken = [sample.solution for sample in samples if not _compiles(sample.solution)]
    return SyntaxCheck(
        len(samples), len(broken), sum(solution.lstrip().startswith("```") for solution in broken)
    )


def _compiles(code: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(code, "solution", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError):
        return False
    return True


def _task_of(
    record: Record, tasks: dict[str, Task], benchmark: Benchmark, path: str | Path, number: int
) -> Task:
    task_id = require(record, "task_id", str, file=path, number=number)
    if task_id not in tasks:
        raise DataError(
            f"{benchmark.definition.title} {benchmark.version} has no task '{task_id}'",
            file=path,
            record=number,
            field="task_id",
        )
    return tasks[task_id]


def _number_of(record: Record, path: str | Path, number: int) -> int | None:
    return require(record, "sample", int, file=path, number=number) if "sample" in record else None


def _solution_of(record: Record, task: Task, path: str | Path, number: int) -> str:
    if "solution" in record:
        return require(record, "solution", str, file=path, number=number)
    if "completion" in record:
        return task.beginning + require(record, "completion", str, file=path, number=number)
    raise DataError("expected a field 'completion' or 'solution'", file=path, record=number)


def _check_counts(path: str | Path, benchmark: Benchmark, counts: dict[str, int]) -> None:
    missing = [task_id for task_id, count in counts.items() if not count]
    if missing:
        some = ", ".join(missing[:3]) + (", …" if len(missing) > 3 else "")
        raise DataError(
            f"{len(missing)} of {len(counts)} tasks of {benchmark.definition.title} {benchmark.version} have "
            f"no sample ({some}); a score of the other tasks would not be comparable",
            file=path,
        )
    numbers = Counter(counts.values())
    if len(numbers) > 1:
        usual = numbers.most_common(1)[0][0]
        odd = next(task_id for task_id, count in counts.items() if count != usual)
        raise DataError(
            f"expected the same number of samples for each task: '{odd}' has {counts[odd]}, most have {usual}",
            file=path,
        )
