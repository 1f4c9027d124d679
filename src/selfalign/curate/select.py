"""Selection: of rows in a shuffled order, those that are good and do not repeat each other."""

from __future__ import annotations

import random
from collections.abc import Sequence

from selfalign.core.config.curation import CurationConfig
from selfalign.core.filtering import Drop, StepCounts, StepWriter, run_filters
from selfalign.core.jsonl import Record
from selfalign.curate.duplicates import duplicates_chain
from selfalign.curate.quality import quality_chain
from selfalign.curate.rows import File, read_rows, tell

# The reference's order of keys is that of a set; ours is fixed, and is the one its published files happen to have.
FIELDS = ("prompt", "fingerprint", "seed", "concepts", "instruction", "response")


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
    return tell(writer.counts)


def common_keys(records: Sequence[Record]) -> list[Record]:
    """Return the records with only the keys that all of them have: :data:`FIELDS`, then the first's others."""
    if not records:
        return []
    order = [*FIELDS, *(key for key in records[0] if key not in FIELDS)]
    shared = [key for key in order if all(key in record for record in records)]
    return [{key: record[key] for key in shared} for record in records]


def shuffled(records: Sequence[Record], seed: int = 0) -> list[Record]:
    """Return the records in the order of a generator seeded with `seed`. Holds them all in memory."""
    order = list(records)
    random.Random(seed).shuffle(order)
    return order
