"""The steps of the stage on files: what the rules and the command line call."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from selfalign.contamination import ContaminationIndex, Source, contamination_filter, load_sources
from selfalign.core.config.contamination import GENERIC_ONE_LINERS
from selfalign.core.config.seeds import FiltersConfig, SourcesConfig
from selfalign.core.errors import DataError
from selfalign.core.jsonl import Record, open_writer, write_json, write_jsonl
from selfalign.core.jsonl import dumps as line_of
from selfalign.core.outcomes import Drop, Filter, Keep, StepCounts, apply_filters, dropped_row, run_filters
from selfalign.seeds import sources as source_units
from selfalign.seeds.extract import extract, function_row, lost_row
from selfalign.seeds.filters import filter_chain, is_mended
from selfalign.seeds.pool import read_seeds
from selfalign.seeds.sources.local import list_python_files, read_directory


def extract_directory(
    directory: str | Path, out: str | Path, lost: str | Path | None = None, *, workers: int
) -> StepCounts:
    """Write a row a function of the Python files below `directory`, and one a file that could not be read.

    Returns:
        counts in files in, functions out; a lost file is counted under its reason.
    """
    if not list_python_files(directory):
        raise DataError("expected Python files (*.py) below it, found none", file=directory)
    counts = StepCounts("extract")
    lost_rows: list[Record] = []

    def rows() -> Iterator[Record]:
        for file, found in extract(read_directory(directory), workers=workers):
            counts.records_in += 1
            if isinstance(found, Drop):
                counts.dropped[found.reason] += 1
                lost_rows.append(lost_row(file, found))
            else:
                yield from (function_row(file, function) for function in found)

    counts.records_out = write_jsonl(out, rows())
    if lost is not None:
        write_jsonl(lost, lost_rows)
    return counts


def filter_file(
    rows: str | Path,
    out: str | Path,
    settings: FiltersConfig,
    dropped: str | Path | None = None,
    clean: Filter | None = None,
) -> StepCounts:
    """Run the text filters over the rows of a file; counts rows the reference's substrings would have dropped.

    Args:
        clean: the filter of benchmark contamination, by :func:`clean_of`.
    """
    mended = 0

    def count_mended(record: Record) -> Keep:
        nonlocal mended
        mended += is_mended(record)
        return Keep(record)

    chain = [*filter_chain(settings), *([clean] if clean else []), count_mended]
    counts = apply_filters("filter", read_seeds(rows), chain, out, dropped)
    if settings.mode == "default":
        counts.extra["kept_against_faithful"] = mended
    return counts


def clean_of(
    sources: Iterable[Source | Mapping[str, str | None]],
    ngram: int,
    exempt: Collection[str] = GENERIC_ONE_LINERS,
) -> Filter | None:
    """Return the filter that drops a seed in which a benchmark's text is found; None for no benchmarks.

    Args:
        sources: the benchmarks, by :func:`selfalign.contamination.find_sources`.
        exempt: texts that never count.
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
    clean: Filter | None = None,
    wheel: str | Path | None = None,
    workers: int = 1,
) -> None:
    """Take the functions of one unit of the source and run the text filters, in one pass.

    Args:
        out: kept rows: ``seed``, ``path``, ``line``, ``sha1``, ``lineage``.
        dropped: dropped functions, and files that could not be read, each with its ``reason``.
        counts: JSON list of the counts of both steps.
        clean: the filter of benchmark contamination, by :func:`clean_of`.
        wheel: the fetched wheel, for packages.
    """
    extracted, filtered = StepCounts("extract"), StepCounts("filter")
    of_functions = filter_chain(settings) if sources.take == "functions" else []
    chain = [*of_functions, *([clean] if clean else [])]
    mended = 0
    with open_writer(out) as kept_handle, open_writer(dropped) as dropped_handle:
        for row in _unit_rows(sources, unit, wheel, workers, extracted):
            if "reason" in row:
                dropped_handle.write(line_of(row) + "\n")
                continue
            filtered.records_in += 1
            outcome = run_filters(row, chain)
            row.pop("returns_value", None)
            if isinstance(outcome, Drop):
                filtered.dropped[outcome.reason] += 1
                dropped_handle.write(line_of(dropped_row(row, outcome)) + "\n")
            else:
                filtered.records_out += 1
                mended += settings.mode == "default" and is_mended(row)
                kept_handle.write(line_of(row) + "\n")
    if settings.mode == "default":
        filtered.extra["kept_against_faithful"] = mended
    write_json(counts, [extracted.to_json(), filtered.to_json()])


def _unit_rows(
    sources: SourcesConfig, unit: str, wheel: str | Path | None, workers: int, counts: StepCounts
) -> Iterator[Record]:
    """Yield the rows of a unit; a file that was lost is a row with a ``reason``."""
    if source_units.gives_seeds(sources):
        for row in source_units.open_seeds(sources, unit):
            counts.records_in += 1
            counts.records_out += 1
            yield row
        return
    files = source_units.open_files(sources, unit, wheel)
    for file, found in extract(files, take=sources.take, workers=workers):
        if isinstance(found, Drop):
            counts.records_in += 1
            counts.dropped[found.reason] += 1
            yield lost_row(file, found)
            continue
        counts.records_in += len(found)
        counts.records_out += len(found)
        for function in found:
            row = function_row(file, function)
            origin = {**file.origin, "file": file.path, "line": function.line}
            yield {**row, "returns_value": function.returns_value, "lineage": {"seed": origin}}
