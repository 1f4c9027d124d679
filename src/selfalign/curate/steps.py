"""Sanitising and selection on files: rows in, kept rows, dropped rows and counts out."""

from __future__ import annotations

from collections.abc import Iterable

from selfalign.core.config.curation import CurationConfig, LengthConfig
from selfalign.core.errors import ConfigError
from selfalign.core.jsonl import Record
from selfalign.core.outcomes import Drop, StepCounts, StepWriter, apply_filters, run_filters
from selfalign.curate.duplicates import duplicates_chain
from selfalign.curate.length import length_filter
from selfalign.curate.quality import quality_chain
from selfalign.curate.rows import File, read_rows, tell
from selfalign.curate.sanitize import Pass, sanitizer
from selfalign.curate.select import common_keys, shuffled


def sanitize_file(
    which: Pass,
    rows: Iterable[Record],
    out: File,
    dropped: File | None = None,
    *,
    seed: int = 0,
    length: LengthConfig | None = None,
    checkpoint: File | None = None,
) -> StepCounts:
    """Run a sanitising pass over `rows` as one sequence. Constant memory.

    Args:
        length: limits in tokens of what the pass makes, counted with the tokenizer of `checkpoint`.

    Raises:
        ConfigError: a length is limited and no checkpoint given.
    """
    chain = [sanitizer(which, seed)]
    if length is not None and length.limited:
        if checkpoint is None:
            raise ConfigError("a length in tokens needs the directory of the model whose tokenizer counts")
        chain.append(length_filter(length, checkpoint))
    return tell(apply_filters(f"sanitize_{which}", rows, chain, out, dropped))


def select_file(
    source: File,
    out: File,
    dropped: File | None = None,
    settings: CurationConfig | None = None,
) -> StepCounts:
    """Drop what the filters of quality refuse, shuffle, and drop repetitions.

    Holds all rows in memory that pass the filters of quality, since a shuffle is global, and what
    :mod:`selfalign.curate.duplicates` says. Trivial tests are a step of their own
    (:mod:`selfalign.curate.trivial`).
    """
    settings = settings or CurationConfig()
    quality = quality_chain(settings.quality)
    chain = duplicates_chain(settings.duplicates, settings.diversify_names)
    with StepWriter("select", out, dropped) as writer:
        good: list[Record] = []
        for row in read_rows([source]):
            outcome = run_filters(row, quality)
            if isinstance(outcome, Drop):
                writer.put(row, outcome)
            else:
                good.append(outcome.record)
        for row in shuffled(common_keys(good), settings.seed):
            full = settings.max_rows is not None and writer.counts.records_out >= settings.max_rows
            writer.put(row, Drop("beyond_max_rows") if full else run_filters(row, chain))
    return tell(writer.counts)
