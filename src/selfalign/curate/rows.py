"""Rows of the stage: read with what each needs, and told about when a step is done."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from selfalign.core.filtering import StepCounts
from selfalign.core.jsonl import Record, read_numbered, require

logger = logging.getLogger(__name__)

File = str | Path
Responses = Literal["passing", "failing", "random"]

# What a dropped row has over the row it was.
DROP_FIELDS = ("reason", "detail")


def read_rows(paths: Iterable[File]) -> Iterator[Record]:
    """Yield the rows of the files in order, each with an instruction and a response.

    Raises:
        DataError: a row lacks one of them; names file and line.
    """
    for path in paths:
        for number, record in read_numbered(path):
            for field in ("instruction", "response"):
                require(record, field, str, file=path, number=number)
            yield record


def read_candidates(
    passing: Iterable[File], failed: Iterable[File] = (), responses: Responses = "passing"
) -> Iterator[Record]:
    """Yield the rows that may become training data.

    Args:
        failed: rows that the execution filter dropped; needed for all but "passing".
        responses: passing ones; failing ones; or both, of which the shuffle picks at random ("random").

    Raises:
        DataError: a row lacks instruction or response.
    """
    if responses != "failing":
        yield from read_rows(passing)
    if responses != "passing":
        for row in read_rows(failed):
            yield {key: value for key, value in row.items() if key not in DROP_FIELDS}


def tell(counts: StepCounts) -> StepCounts:
    """Log what a step did; return its counts."""
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(counts.dropped.items()))
    logger.info(
        "%s: %d in, %d kept, dropped: %s",
        counts.step,
        counts.records_in,
        counts.records_out,
        reasons or "none",
    )
    if counts.records_in and not counts.records_out:
        logger.warning("%s: none of %d rows was kept", counts.step, counts.records_in)
    return counts
