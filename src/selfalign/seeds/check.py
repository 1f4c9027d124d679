"""Imports and types of one unit's functions: the filters that run other programs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import IO

from selfalign.core.config.seeds import FiltersConfig, ImportsConfig, TypesConfig
from selfalign.core.jsonl import Record, dumps, open_writer, write_json
from selfalign.core.lineage import with_lineage
from selfalign.core.outcomes import Keep, Outcome, StepCounts, dropped_row, run_filters
from selfalign.seeds.filters import filter_chain
from selfalign.seeds.imports import infer_imports
from selfalign.seeds.pool import read_seeds
from selfalign.seeds.typecheck import TypeChecker, check_types


def check_file(
    rows: str | Path,
    out: str | Path,
    dropped: str | Path | None,
    *,
    filters: FiltersConfig,
    imports: ImportsConfig,
    types: TypesConfig,
    workers: int,
    counts: str | Path | None = None,
) -> list[StepCounts]:
    """Infer the imports of a file's functions, filter again what that changed, and check the types.

    Imports that were put before a function count for the filters of banned imports and of length, as in
    the reference, so the text filters run once more on those functions.
    """
    steps: list[StepCounts] = []
    with ExitStack() as files:
        kept_handle = files.enter_context(open_writer(out))
        dropped_handle = files.enter_context(open_writer(dropped)) if dropped is not None else None

        def kept(step: str, outcomes: Iterable[tuple[Record, Outcome]]) -> Iterator[Record]:
            steps.append(StepCounts(step))
            return _kept(steps[-1], outcomes, dropped_handle)

        records = read_seeds(rows)
        if imports.enabled:
            inferred = infer_imports(
                records,
                faithful=filters.mode == "faithful",
                packages=tuple(imports.packages),
                workers=workers,
            )
            chain = filter_chain(filters)
            records = kept("imports", inferred)
            records = kept("filter_imports", ((record, run_filters(record, chain)) for record in records))
        if types.enabled:
            checker = TypeChecker(types.strictness)
            name = f"basedpyright {version('basedpyright')}"
            records = kept("types", check_types(records, checker, workers=workers))
            records = (
                with_lineage(record, "types", checker=name, mode=types.strictness) for record in records
            )
        for record in records:
            kept_handle.write(dumps(record) + "\n")
    if counts is not None:
        write_json(counts, [step.to_json() for step in steps])
    return steps


def _kept(
    count: StepCounts, outcomes: Iterable[tuple[Record, Outcome]], dropped: IO[str] | None
) -> Iterator[Record]:
    """Yield the records that are kept; count and write the others."""
    for record, outcome in outcomes:
        count.records_in += 1
        if isinstance(outcome, Keep):
            count.records_out += 1
            yield outcome.record
            continue
        count.dropped[outcome.reason] += 1
        if dropped is not None:
            dropped.write(dumps(dropped_row(record, outcome)) + "\n")
