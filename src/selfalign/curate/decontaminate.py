"""Decontamination: drop rows that contain the text of a benchmark, or functions that solve its tasks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from selfalign.contamination import ContaminationIndex, Source, contamination_filter, load_sources
from selfalign.core.config.contamination import ContaminationConfig
from selfalign.core.errors import DataError
from selfalign.core.filtering import Drop, Filter, Keep, Outcome, StepCounts, StepWriter, apply_filters
from selfalign.core.jsonl import Record, read_numbered, require
from selfalign.curate.rows import File, log_counts, read_rows


def decontaminate_file(
    source: File,
    out: File,
    dropped: File | None = None,
    *,
    sources: Iterable[Source | Mapping[str, str | None]],
    settings: ContaminationConfig | None = None,
) -> StepCounts:
    """Drop the rows whose instruction or response contains the text of a benchmark. Constant memory.

    Args:
        source: JSON Lines file of rows.
        out: JSON Lines file of the kept rows.
        dropped: JSON Lines file of the dropped rows, with the match as detail; None writes none.
        sources: the benchmarks, by :func:`selfalign.contamination.find_sources`.
        settings: size of the overlap and exempt texts; None for the defaults.

    Raises:
        DataError: a row lacks instruction or response, or a benchmark's data files are missing.
    """
    settings = settings or ContaminationConfig()
    index = ContaminationIndex.of(load_sources(sources), settings.ngram, settings.exempt)
    chain: list[Filter] = [contamination_filter(index, ("instruction", "response"))]
    counts = apply_filters("decontaminate", read_rows([source]), chain, out, dropped)
    counts.extra["patterns"] = len(index)
    return log_counts(counts)


def decontaminate_by_execution_file(
    source: File,
    solutions: Iterable[File],
    out: File,
    dropped: File | None = None,
    *,
    drop: bool,
) -> StepCounts:
    """Drop the rows with a function that solves a task of a benchmark, or only count them.

    Args:
        source: JSON Lines file of rows.
        solutions: files that :func:`selfalign.evaluate.solutions.find_solutions_file` wrote for the same rows.
        out: JSON Lines file of the kept rows.
        dropped: JSON Lines file of the dropped rows, with functions and tasks as detail; None writes none.
        drop: whether to drop these rows.

    Returns:
        the counts; ``extra`` has the number of ``solving_rows``.

    Raises:
        DataError: a row lacks instruction or response, or a file of solutions belongs to other rows.
    """
    solving = _solving_rows(solutions)

    def outcomes() -> Iterator[tuple[Record, Outcome]]:
        # By line, as in the files of solutions: a blank line has a number too.
        for number, row in read_numbered(source):
            for field in ("instruction", "response"):
                require(row, field, str, file=source, number=number)
            found = solving.pop(number, None)
            yield row, Drop("solves_task", found) if drop and found else Keep(row)

    total = len(solving)
    with StepWriter("decontaminate_by_execution", out=out, dropped=dropped) as writer:
        for row, outcome in outcomes():
            writer.put(row, outcome)
        if solving:
            raise DataError(
                f"has no row {min(solving)}, which a file of solutions names; expected the rows that were searched",
                file=source,
            )
    writer.counts.extra = {"solving_rows": total}
    return log_counts(writer.counts)


def _solving_rows(solutions: Iterable[File]) -> dict[int, list[dict[str, Any]]]:
    """Return the tasks that each row solves, by the number of the row."""
    found: defaultdict[int, list[dict[str, Any]]] = defaultdict(list)
    for path in solutions:
        for number, record in read_numbered(path):
            if require(record, "solved", bool, file=path, number=number):
                line = require(record, "line", int, file=path, number=number)
                found[line].append({name: record.get(name) for name in ("benchmark", "task_id", "function")})
    return dict(found)
