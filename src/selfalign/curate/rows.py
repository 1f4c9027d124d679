"""Rows of the curation: reading them, their instructions as generated, and logging what a step did with them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from selfalign.core.errors import DataError
from selfalign.core.filtering import StepCounts
from selfalign.core.instructions import normalized_instruction
from selfalign.core.jsonl import Record, read_numbered, require
from selfalign.core.lineage import row_id

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


class SampleReader:
    """Reads rows that are samples of the responses to an instruction, and checks that they are those of one run.

    Holds the ids of the samples and a hash of each instruction in memory.
    """

    def __init__(self) -> None:
        self._samples: dict[str, tuple[File, int]] = {}
        self._instructions: dict[int, int] = {}

    def read(self, path: File) -> Iterator[tuple[str, Record]]:
        """Yield the id of each row of a file (see :func:`selfalign.core.lineage.row_id`) and the row.

        Args:
            path: JSON Lines file.

        Raises:
            DataError: a row has no string ``instruction`` or ``response``, no integer ``index``, or a sample number that is no
                integer, is a sample that was read before, or has another instruction than an earlier row with its index.
        """
        for number, row in read_numbered(path):
            for field in ("instruction", "response"):
                require(row, field, str, file=path, number=number)
            name = row_id(row)
            if name is None:
                raise DataError(
                    "expected the index of the seed, an integer", file=path, record=number, field="index"
                )
            sample = row.get("lineage", {}).get("sample", {}).get("number", 0)
            if type(sample) is not int:
                raise DataError(
                    f"expected an integer, found {type(sample).__name__}",
                    file=path,
                    record=number,
                    field="lineage.sample.number",
                )
            if name in self._samples:
                file, earlier = self._samples[name]
                raise DataError(
                    f"expected each sample once, found two rows with index {row['index']} and the same sample number "
                    f"(lineage.sample.number); the other is record {earlier} of {file}",
                    file=path,
                    record=number,
                    field="index",
                )
            self._samples[name] = path, number
            key = hash(normalized_instruction(row["instruction"]))
            if self._instructions.setdefault(row["index"], key) != key:
                raise DataError(
                    f"expected the instruction of the earlier rows with index {row['index']}, found another one; give rows "
                    "of one run",
                    file=path,
                    record=number,
                    field="instruction",
                )
            yield name, row

    def error(self, row: Record, field: str, expected: str) -> DataError:
        """Return an error about a row that was read, with its file and record.

        Args:
            row: the row.
            field: name of the field.
            expected: what was expected, and what was found.
        """
        file, number = self._samples[row_id(row) or ""]
        return DataError(expected, file=file, record=number, field=field)

    def check_instruction(self, row: Record, matrix: Record) -> None:
        """Check that a row that was read has the instruction of its matrix.

        Args:
            row: the row, as generated or sanitised.
            matrix: row of the matrix file with the same index, or another row with it.

        Raises:
            DataError: the instructions differ, so that the files are of different runs.
        """
        if normalized_instruction(row["instruction"]) != normalized_instruction(matrix["instruction"]):
            raise self.error(
                row,
                "instruction",
                f"the matrix with index {matrix['index']} has another instruction; expected rows and matrices of one run",
            )


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
