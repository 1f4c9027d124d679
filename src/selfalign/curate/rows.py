"""Rows of the curation: reading them, their instructions as generated, and logging what a step did with them."""

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

# Fields that a dropped row has in addition to those of the row.
DROP_FIELDS = ("reason", "detail")
# Column of the data set: share of the mutants that the tests kill; null if the code has nothing to change.
KILL_RATE = "test_kill_rate"
# Status of a cell of the matrix whose tests use names that its implementation does not define; such a program is not run.
NAMES_DIFFER = "names_differ"


def read_rows(paths: Iterable[File]) -> Iterator[Record]:
    """Yield the rows of files, in order.

    Args:
        paths: JSON Lines files.

    Raises:
        DataError: a row has no string ``instruction`` or ``response``.
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
        passing: JSON Lines files of rows that passed execution.
        failed: JSON Lines files of rows that the execution filter dropped; not read for ``passing``.
        responses: ``passing``, ``failing``, or ``random`` for both.

    Raises:
        DataError: a row lacks instruction or response.
    """
    if responses != "failing":
        yield from read_rows(passing)
    if responses != "passing":
        for row in read_rows(failed):
            yield {key: value for key, value in row.items() if key not in DROP_FIELDS}


def log_counts(counts: StepCounts) -> StepCounts:
    """Log the counts of a step, with a warning if it kept nothing; return them.

    Args:
        counts: counts of the step.
    """
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
