"""Consensus: keep the best response to each instruction, by agreement with the other responses.

The ranking follows CodeT (Chen et al., 2022, "CodeT: Code Generation with Generated Tests", arXiv:2207.10397):
implementations that pass the same tests form a group, whose score is the number of its implementations times the number
of tests that they pass. Unlike there, the tests of one response are one unit, and copies count once.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

from selfalign.core.config.curation import QualityConfig
from selfalign.core.errors import DataError
from selfalign.core.filtering import Drop, Keep, Outcome, StepCounts, StepWriter, run_filters
from selfalign.core.jsonl import Record, read_numbered, require
from selfalign.core.lineage import row_id, with_lineage
from selfalign.curate.quality import quality_chain
from selfalign.curate.rows import File, SampleReader, log_counts


@dataclass(frozen=True, slots=True)
class Standing:
    """Standing of a response among the responses to its instruction.

    Attributes:
        score: number of different implementations that pass exactly the same tests, times the number of these tests.
        passed: number of different tests that its implementation passes.
        group: ids of the responses whose implementations pass exactly the same tests.
        agreeing: ids of the other responses whose tests it passes. Those with the same tests are left out unless they
            have another implementation, which passes the tests too.
    """

    score: int
    passed: int
    group: list[str]
    agreeing: list[str]


def consensus_file(
    source: File,
    matrices: Iterable[File],
    out: File,
    dropped: File | None = None,
    *,
    quality: QualityConfig | None = None,
) -> StepCounts:
    """Keep the best response to each instruction that agrees with another response. Holds the ids of the rows in memory.

    Args:
        source: JSON Lines file of rows, by index.
        matrices: JSON Lines files by :func:`selfalign.curate.matrix.matrix_file`, by index.
        out: JSON Lines file of the kept rows.
        dropped: JSON Lines file of the dropped rows, with their reasons; None writes none.
        quality: filters that a row must pass to be chosen; None for the defaults.

    Raises:
        DataError: a row lacks index, instruction or response, is a sample that came before, or has no matrix; its
            instruction is not that of the matrix; or a matrix is malformed.
    """
    chain = quality_chain(quality or QualityConfig())
    remaining = read_matrices(matrices)
    with StepWriter("consensus", out=out, dropped=dropped) as writer:
        samples = SampleReader()
        source_rows = (row for _, row in samples.read(source))
        for index, group in groupby(source_rows, key=lambda row: row["index"]):
            matrix = next((each for each in remaining if each["index"] == index), None)
            if matrix is None:
                raise DataError(
                    f"no matrix for the rows with index {index}; expected rows and matrices of one run, in the order of "
                    "the index",
                    file=source,
                )
            rows = [(row, run_filters(row, chain)) for row in group]
            samples.check_instruction(rows[0][0], matrix)
            for row, outcome in choose(rows, matrix):
                writer.put(row, outcome)
        for _ in remaining:
            pass  # checks the matrices of later instructions, which have no rows
    return log_counts(writer.counts)


def choose(rows: Iterable[tuple[Record, Outcome]], matrix: Record) -> Iterator[tuple[Record, Outcome]]:
    """Yield the rows of one instruction with their outcomes: the best response is kept.

    The best is the one with the highest score (:class:`Standing`) of those that pass the tests of another response; of
    equal scores, the one whose implementation passes more tests; then the one with the smallest sample number.

    Args:
        rows: the rows, each with the outcome of the filters before.
        matrix: row of the matrix file.
    """
    standings = rank(matrix)
    judged = [
        (row_id(row) or "", row, _require_agreement(row, outcome, matrix, standings)) for row, outcome in rows
    ]
    left = [name for name, _, outcome in judged if isinstance(outcome, Keep)]
    best = min(left, key=lambda name: order_key(name, standings[name]), default=None)
    for name, row, outcome in judged:
        if isinstance(outcome, Drop):
            yield row, outcome
        elif name != best:
            yield row, Drop("other_response", {"kept": best, "score": standings[name].score})
        else:
            standing = standings[name]
            facts = {"score": standing.score, "group": standing.group, "passes_tests_of": standing.agreeing}
            yield row, Keep(with_lineage(row, "consensus", responses=len(standings), **facts))


def rank(matrix: Record) -> dict[str, Standing]:
    """Return the standing of every usable response to an instruction, by id.

    Args:
        matrix: row of the matrix file.
    """
    passed = [
        frozenset(column for column, status in enumerate(row) if status == "passed")
        for row in matrix["verdicts"]
    ]
    sizes = Counter(passed)
    passed_by = {
        name: columns
        for names, columns in zip(matrix["implementations"], passed, strict=True)
        for name in names
    }
    own_tests = {name: column for column, names in enumerate(matrix["tests"]) for name in names}
    standings: dict[str, Standing] = {}
    for names, columns in zip(matrix["implementations"], passed, strict=True):
        group = [
            name
            for others, their_columns in zip(matrix["implementations"], passed, strict=True)
            if their_columns == columns
            for name in others
        ]
        for name in names:
            agreeing = [
                other
                for column in columns
                for other in matrix["tests"][column]
                if other != name
                and (column != own_tests[name] or (other not in names and column in passed_by[other]))
            ]
            standings[name] = Standing(
                sizes[columns] * len(columns),
                len(columns),
                sorted(group, key=sample_number),
                sorted(agreeing, key=sample_number),
            )
    return standings


def _require_agreement(
    row: Record, outcome: Outcome, matrix: Record, standings: Mapping[str, Standing]
) -> Outcome:
    """Drop a row that the filters before kept, if it does not agree with another response."""
    name = row_id(row) or ""
    if isinstance(outcome, Drop):
        return outcome
    if name not in standings:
        return Drop("not_in_matrix", matrix["unusable"].get(name))
    return outcome if standings[name].agreeing else Drop("no_agreement")


def order_key(name: str, standing: Standing) -> tuple[int, int, int]:
    """Return the sort key of a response, the best first; see :func:`choose`.

    Args:
        name: id of the response.
        standing: its standing.
    """
    return -standing.score, -standing.passed, sample_number(name)


def sample_number(name: str) -> int:
    """Return the number of the sample in an id ``INDEX.SAMPLE``.

    Args:
        name: the id.
    """
    return int(name.rpartition(".")[2])


def read_matrices(files: Iterable[File]) -> Iterator[Record]:
    """Yield the rows of matrix files.

    Args:
        files: JSON Lines files by :func:`selfalign.curate.matrix.matrix_file`.

    Raises:
        DataError: a row is malformed, or two rows have the same index.
    """
    seen: set[int] = set()
    for file in files:
        for number, record in read_numbered(file):
            fields = {
                "index": int,
                "instruction": str,
                "implementations": list,
                "tests": list,
                "verdicts": list,
                "unusable": dict,
            }
            for name, kind in fields.items():
                require(record, name, kind, file=file, number=number)
            if problem := _inconsistency(record):
                field, expected = problem
                raise DataError(expected, file=file, record=number, field=field)
            if record["index"] in seen:
                raise DataError(
                    f"found a second matrix with index {record['index']}; give the matrices of one run, each file once",
                    file=file,
                    record=number,
                    field="index",
                )
            seen.add(record["index"])
            yield record


def _inconsistency(matrix: Record) -> tuple[str, str] | None:
    """Return the field of a matrix that does not agree with the others, and what was expected; None if all do."""
    prefix = rf"{matrix['index']}\."
    names: dict[str, list[str]] = {}
    for field in ("implementations", "tests"):
        groups = matrix[field]
        if not all(isinstance(group, list) and group for group in groups):
            return field, "expected a list of lists of ids of responses"
        names[field] = [name for group in groups for name in group]
        for name in names[field]:
            if not isinstance(name, str) or not re.fullmatch(rf"{prefix}-?[0-9]{{1,18}}", name):
                return field, f"expected ids such as '{matrix['index']}.0', found {name!r}"
        if len(set(names[field])) < len(names[field]):
            return field, "expected each response once"
    if set(names["implementations"]) != set(names["tests"]):
        return "tests", "expected the same responses as in 'implementations'"
    height, width, verdicts = len(matrix["implementations"]), len(matrix["tests"]), matrix["verdicts"]
    right = len(verdicts) == height and all(
        isinstance(row, list) and len(row) == width and all(isinstance(each, str) for each in row)
        for row in verdicts
    )
    return None if right else ("verdicts", f"expected {height} lists of {width} strings each")
