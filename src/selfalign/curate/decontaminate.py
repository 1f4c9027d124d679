"""Decontamination of a file of rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from selfalign.contamination import ContaminationIndex, Source, contamination_filter, load_sources
from selfalign.core.config.contamination import ContaminationConfig
from selfalign.core.filtering import Filter, StepCounts, apply_filters
from selfalign.curate.rows import File, read_rows, tell


def decontaminate_file(
    source: File,
    out: File,
    dropped: File | None = None,
    *,
    sources: Iterable[Source | Mapping[str, str | None]],
    settings: ContaminationConfig | None = None,
) -> StepCounts:
    """Drop the rows in whose instruction or response a benchmark's text is found. Constant memory.

    Args:
        sources: the benchmarks, by :func:`selfalign.contamination.find_sources`.
    """
    settings = settings or ContaminationConfig()
    index = ContaminationIndex.of(load_sources(sources), settings.ngram, settings.exempt)
    chain: list[Filter] = [contamination_filter(index, ("instruction", "response"))]
    counts = apply_filters("decontaminate", read_rows([source]), chain, out, dropped)
    counts.extra["patterns"] = len(index)
    return tell(counts)
