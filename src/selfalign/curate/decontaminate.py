"""Decontamination: drop rows that contain the text of a benchmark."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from selfalign.contamination import ContaminationIndex, Source, contamination_filter, load_sources
from selfalign.core.config.contamination import ContaminationConfig
from selfalign.core.filtering import Filter, StepCounts, apply_filters
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
