"""Selection: filter rows by quality, shuffle them, and drop duplicates."""

from __future__ import annotations

import random
from collections.abc import Sequence

from selfalign.core.config.curation import CurationConfig
from selfalign.core.filtering import Drop, StepCounts, StepWriter, run_filters
from selfalign.core.jsonl import Record
from selfalign.curate.duplicates import duplicates_chain
from selfalign.curate.quality import quality_chain
from selfalign.curate.rows import File, log_counts, read_rows

# The reference orders keys as a set does; this order is that of its published files.
FIELDS = ("prompt", "fingerprint", "seed", "concepts", "instruction", "response")


def select_file(
    source: File,
    out: File,
    dropped: File | None = None,
    settings: CurationConfig | None = None,
) -> StepCounts:
    """Run the quality filters, shuffle the rows that pass, and drop duplicates.

    Holds all rows that pass the quality filters in memory, since the shuffle is global; see also
    :mod:`selfalign.curate.duplicates`. Trivial tests are a step of their own (:mod:`selfalign.curate.mutation`).

    Args:
        source: JSON Lines file of rows.
        out: JSON Lines file of the selected rows.
        dropped: JSON Lines file of the dropped rows, with their reasons; None writes none.
        settings: settings of the filters and the seed of the shuffle; None for the defaults.

    Raises:
        DataError: a row lacks instruction or response.
    """
    settings = settings or CurationConfig()
    quality = quality_chain(settings.quality)
    chain = duplicates_chain(settings.duplicates, settings.diversify_names)
    with StepWriter("select", out=out, dropped=dropped) as writer:
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
    return log_counts(writer.counts)


def common_keys(records: Sequence[Record]) -> list[Record]:
    """Return the records with the keys that all of them have: :data:`FIELDS`, then the others of the first record.

    Args:
        records: rows.
    """
    if not records:
        return []
    order = [*FIELDS, *(key for key in records[0] if key not in FIELDS)]
    shared = [key for key in order if all(key in record for record in records)]
    return [{key: record[key] for key in shared} for record in records]


def shuffled(records: Sequence[Record], seed: int = 0) -> list[Record]:
    """Return the records in random order.

    Args:
        records: rows.
        seed: seed of the generator.
    """
    order = list(records)
    random.Random(seed).shuffle(order)
    return order
