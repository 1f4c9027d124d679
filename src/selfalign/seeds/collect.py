"""Extraction and text filters: from the source files of a unit to its first seeds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from selfalign.contamination import ContaminationIndex, Source, contamination_filter, load_sources
from selfalign.core.config.contamination import GENERIC_ONE_LINERS
from selfalign.core.config.seeds import FiltersConfig, SourcesConfig
from selfalign.core.errors import DataError
from selfalign.core.filtering import (
    Drop,
    Filter,
    Keep,
    Outcome,
    StepCounts,
    StepWriter,
    apply_filters,
    run_filters,
)
from selfalign.core.jsonl import Record, write_json
from selfalign.seeds import sources as source_units
from selfalign.seeds.extract import extract, file_row, function_row
from selfalign.seeds.filters import filter_chain, is_faithful_drop
from selfalign.seeds.pool import read_seeds
from selfalign.seeds.sources.local import list_python_files, read_directory


def extract_directory(
    directory: str | Path, out: str | Path, dropped: str | Path | None = None, *, workers: int
) -> StepCounts:
    """Extract the functions of the Python files below a directory.

    Args:
        directory: searched recursively for ``*.py``.
        out: JSON Lines file of one row per function.
        dropped: JSON Lines file of one row per file that could not be read, with its reason; None writes none.
        workers: worker processes.

    Returns:
        counts of files in and of functions out; a file that could not be read is counted under its reason.

    Raises:
        DataError: the directory has no Python file.
    """
    if not list_python_files(directory):
        raise DataError("expected Python files (*.py) below it, found none", file=directory)
    with StepWriter("extract", out=out, dropped=dropped) as writer:
        for file, found in extract(read_directory(directory), workers=workers):
            if isinstance(found, Drop):
                writer.put(file_row(file), found)
            else:
                writer.put_several(function_row(file, function) for function in found)
    return writer.counts


def filter_file(
    rows: str | Path,
    out: str | Path,
    settings: FiltersConfig,
    dropped: str | Path | None = None,
    decontaminate: Filter | None = None,
) -> StepCounts:
    """Run the text filters over a file of seeds.

    In mode `default`, the counts also tell how many kept seeds the reference's substring tests would have dropped.

    Args:
        rows: JSON Lines file of seeds.
        out: JSON Lines file of the kept seeds.
        settings: settings of the filters.
        dropped: JSON Lines file of the dropped seeds, with their reasons; None writes none.
        decontaminate: filter of benchmark contamination, by :func:`decontamination_filter`; None runs none.

    Raises:
        DataError: a row has no string ``seed``.
    """
    kept_against_faithful = 0

    def count(record: Record) -> Keep:
        nonlocal kept_against_faithful
        kept_against_faithful += is_faithful_drop(record)
        return Keep(record)

    chain = [*filter_chain(settings), *([decontaminate] if decontaminate else []), count]
    counts = apply_filters("filter", read_seeds(rows), chain, out, dropped)
    if settings.mode == "default":
        counts.extra["kept_against_faithful"] = kept_against_faithful
    return counts


def decontamination_filter(
    sources: Iterable[Source | Mapping[str, str | None]],
    ngram: int,
    exempt: Collection[str] = GENERIC_ONE_LINERS,
) -> Filter | None:
    """Return the filter that drops seeds that contain a benchmark's text; None if there are no benchmarks.

    Args:
        sources: the benchmarks, by :func:`selfalign.contamination.find_sources`.
        ngram: number of consecutive words that count as overlap.
        exempt: texts that never count as overlap.

    Raises:
        DataError: a benchmark's data files are missing or have another checksum.
    """
    benchmarks = load_sources(sources)
    if not benchmarks:
        return None
    return contamination_filter(ContaminationIndex.of(benchmarks, ngram, exempt), ("seed",))


def collect_unit(
    sources: SourcesConfig,
    unit: str,
    settings: FiltersConfig,
    *,
    out: str | Path,
    dropped: str | Path,
    counts: str | Path,
    decontaminate: Filter | None = None,
    wheel: str | Path | None = None,
    workers: int = 1,
) -> None:
    """Extract the functions of one unit of a source and run the text filters, in one pass.

    Args:
        sources: the source that the unit belongs to.
        unit: name of the unit.
        settings: settings of the text filters.
        out: JSON Lines file of the kept seeds: ``seed``, ``path``, ``line``, ``sha1``, ``lineage``.
        dropped: JSON Lines file of dropped functions and of files that could not be read, with their reasons.
        counts: JSON file of the counts of both steps.
        decontaminate: filter of benchmark contamination, by :func:`decontamination_filter`; None runs none.
        wheel: the unit's wheel, for sources of kind `packages`.
        workers: worker processes.

    Raises:
        DataError: the source cannot be read, or a row of it lacks a field.
        InfrastructureError: the hub cannot be reached.
    """
    chain = [
        *(filter_chain(settings) if sources.take == "functions" else []),
        *([decontaminate] if decontaminate else []),
    ]
    kept_against_faithful = 0
    with StepWriter("extract", "filter", out=out, dropped=dropped) as writer:
        for row in writer.filtered("extract", _unit_rows(sources, unit, wheel, workers)):
            outcome = run_filters(row, chain)
            row.pop("returns_value", None)  # for the filters only
            if isinstance(outcome, Keep):
                outcome = Keep(row)
                kept_against_faithful += settings.mode == "default" and is_faithful_drop(row)
            writer.put(row, outcome, step="filter")
    if settings.mode == "default":
        writer.counts.extra["kept_against_faithful"] = kept_against_faithful
    write_json(counts, [step.to_json() for step in writer.steps])


def _unit_rows(
    sources: SourcesConfig, unit: str, wheel: str | Path | None, workers: int
) -> Iterator[tuple[Record, Outcome]]:
    """Yield the seeds of a unit as kept records, and the files that could not be read as dropped ones."""
    if source_units.gives_seeds(sources):
        for row in source_units.open_seeds(sources, unit):
            yield row, Keep(row)
        return
    files = source_units.open_files(sources, unit, wheel)
    for file, found in extract(files, take=sources.take, workers=workers):
        if isinstance(found, Drop):
            yield file_row(file), found
            continue
        for function in found:
            origin = {**file.origin, "file": file.path, "line": function.line}
            lineage = {"seed": origin}
            row = {
                **function_row(file, function),
                "returns_value": function.returns_value,
                "lineage": lineage,
            }
            yield row, Keep(row)
