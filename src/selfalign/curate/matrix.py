"""Matrix of an instruction: the implementation of every response, run with the tests of every response.

The matrix shows whether responses to one instruction agree with each other, of which a response's own tests say nothing:
:mod:`selfalign.curate.consensus` ranks responses by it. Tests run only with implementations that define the names they
use; other cells are recorded as ``names_differ``.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from selfalign.core.errors import DataError, InfrastructureError
from selfalign.core.filtering import Drop, Keep, StepCounts, StepWriter
from selfalign.core.jsonl import Record, write_jsonl
from selfalign.core.lineage import row_id
from selfalign.curate.code import (
    defined_names,
    implementation_key,
    parse,
    parse_response_code,
    self_contained_tests,
    tested_names,
)
from selfalign.curate.rows import DROP_FIELDS, File, log_counts, read_rows
from selfalign.program_environments import ProgramEnvironment
from selfalign.sandbox import DEFAULT_LIMITS, Limits, Program, open_pool
from selfalign.sandbox.cache import VerdictCache
from selfalign.sandbox.types import Scope

# Status of a cell whose tests use names that its implementation does not define; such a program is not run.
NAMES_DIFFER = "names_differ"


@dataclass
class Implementation:
    """An implementation, as one or several responses have it.

    Attributes:
        source: source text of the first of them.
        names: functions, classes, methods and global variables that it defines.
        responses: ids of the responses.
    """

    source: str
    names: set[str]
    responses: list[str] = field(default_factory=list)


@dataclass
class Tests:
    """Tests, as one or several responses have them.

    Attributes:
        source: source text of the first of them, with the imports that they need.
        names: names that they expect an implementation to define.
        responses: ids of the responses.
    """

    source: str
    names: frozenset[str]
    responses: list[str] = field(default_factory=list)


@dataclass
class Matrix:
    """The responses to one instruction.

    Attributes:
        index: index of the record.
        instruction: text of the instruction.
        implementations: the different implementations, by :func:`~selfalign.curate.code.implementation_key`.
        tests: the different tests, by their syntax tree and the names that they expect.
        unusable: reasons why responses take no part, by id.
        verdicts: statuses of the cells, by position of the implementation and of the tests.
    """

    index: int
    instruction: str
    implementations: dict[str, Implementation] = field(default_factory=dict)
    tests: dict[tuple[str, frozenset[str]], Tests] = field(default_factory=dict)
    unusable: dict[str, str] = field(default_factory=dict)
    verdicts: list[list[str]] = field(default_factory=list)

    def add(self, name: str, response: str) -> str | None:
        """Add a response; return why it is unusable, or None.

        Args:
            name: id of the response.
            response: its text.
        """
        try:
            reason = self._add(name, response)
        except RecursionError:
            reason = "nested_too_deeply"
        if reason:
            self.unusable[name] = reason
        return reason

    def _add(self, name: str, response: str) -> str | None:
        code = parse_response_code(response)
        if not code.tagged:
            return "no_sections"
        implementation, tests = parse(code.implementation), parse(code.tests)
        expected = tested_names(code)
        if implementation is None or tests is None or expected is None or not implementation.body:
            return "incomplete_code"
        if not expected:
            return "no_name_used"
        key = implementation_key(response)
        if key is None:
            return "nested_too_deeply"
        found = Implementation(code.implementation, defined_names(implementation))
        written = Tests(self_contained_tests(response), frozenset(expected))
        tests_key = ast.dump(parse(written.source) or tests), written.names
        self.implementations.setdefault(key, found).responses.append(name)
        self.tests.setdefault(tests_key, written).responses.append(name)
        return None

    def programs(self, scope: Scope) -> Iterator[Program]:
        """Mark the cells whose names differ; yield the programs of the others, by row and column.

        Args:
            scope: see :class:`selfalign.sandbox.Program`.
        """
        for row, implementation in enumerate(self.implementations.values()):
            self.verdicts.append(["" for _ in self.tests])
            for column, tests in enumerate(self.tests.values()):
                if not tests.names <= implementation.names:
                    self.verdicts[row][column] = NAMES_DIFFER
                    continue
                yield Program(
                    f"implementation of {implementation.responses[0]}, tests of {tests.responses[0]}",
                    f"{implementation.source}\n{tests.source}\n",
                    scope=scope,
                    tests_line=implementation.source.count("\n") + 2,
                )

    def siblings(self) -> Iterator[str]:
        """Yield the status of the implementation of every response with the tests of every other response."""
        for implementation, row in zip(self.implementations.values(), self.verdicts, strict=True):
            for tests, status in zip(self.tests.values(), row, strict=True):
                yield from (
                    status for one in implementation.responses for other in tests.responses if one != other
                )

    def to_json(self) -> Record:
        """Return the row of the matrix file."""
        return {
            "index": self.index,
            "instruction": self.instruction,
            "implementations": [each.responses for each in self.implementations.values()],
            "tests": [each.responses for each in self.tests.values()],
            "verdicts": self.verdicts,
            "unusable": self.unusable,
        }


def matrix_file(
    passing: Iterable[File],
    failed: Iterable[File],
    out: File,
    dropped: File | None = None,
    *,
    runtime: str = "auto",
    image: str = "",
    environment: ProgramEnvironment | None = None,
    workers: int | None = None,
    limits: Limits = DEFAULT_LIMITS,
    scope: Scope = "module",
    cache: str | Path | None = None,
) -> StepCounts:
    """Write the matrix of every instruction, by index. Holds the rows in memory.

    Args:
        passing: JSON Lines files of the responses that passed their own tests.
        failed: JSON Lines files of the responses that did not.
        out: JSON Lines file of one row for each instruction: ``index``, ``instruction``, ``implementations`` and
            ``tests`` (lists of the ids of the responses that have them), ``verdicts`` (statuses, a list for each
            implementation with an entry for each of the tests) and ``unusable`` (reasons by id).
        dropped: JSON Lines file of the responses that take no part, with reasons; None writes none.
        runtime: sandbox runtime; see :func:`selfalign.sandbox.open_pool`.
        image: container image, for container engines; see :func:`selfalign.sandbox.open_pool`.
        environment: what programs can import; None: ``build``.
        workers: programs that run at a time; None for the number of cores.
        limits: resource limits of each program.
        scope: scope of the programs' top-level names; see :class:`selfalign.sandbox.Program`.
        cache: file of known verdicts, which is added to; None keeps none.

    Returns:
        the counts of the responses, and in ``extra`` the numbers of ``instructions``; of ``programs`` run; of pairs of
        an implementation and another response's tests (``sibling_pairs``), of those whose names agree
        (``sibling_pairs_run``), and of those that pass (``sibling_pairs_passed``).

    Raises:
        DataError: a row lacks index, instruction or response, or two rows are the same sample of one index.
        InfrastructureError: the sandbox failed for a program even after a retry; nothing is written.
    """
    rows = sorted(_numbered([*passing, *failed]), key=lambda row: row[:2])
    matrices: list[Matrix] = []
    with StepWriter("matrix", dropped=dropped) as writer:
        for index, group in groupby(rows, key=lambda row: row[0]):
            responses = [row for _, _, row in group]
            matrix = Matrix(index, responses[0]["instruction"])
            _check_unique(index, [row_id(row) for row in responses])
            for row in responses:
                reason = matrix.add(row_id(row) or "", row["response"])
                writer.put(row, Drop(reason) if reason else Keep(row))
            matrices.append(matrix)
        sandbox = {"runtime": runtime, "image": image, "environment": environment, "workers": workers}
        ran = _run(matrices, scope, limits=limits, cache=cache, **sandbox)
        siblings = [status for matrix in matrices for status in matrix.siblings()]
        writer.counts.extra = {
            "instructions": len(matrices),
            "programs": ran,
            "sibling_pairs": len(siblings),
            "sibling_pairs_run": sum(status != NAMES_DIFFER for status in siblings),
            "sibling_pairs_passed": siblings.count("passed"),
        }
        write_jsonl(out, (matrix.to_json() for matrix in matrices))
    return log_counts(writer.counts)


def _numbered(files: Iterable[File]) -> Iterator[tuple[int, int, Record]]:
    """Yield rows with the index of their record and the number of their sample."""
    for file in files:
        for number, row in enumerate(read_rows([file]), start=1):
            name = row_id(row)
            if name is None:
                raise DataError("expected the index of the seed", file=file, record=number, field="index")
            original = {key: value for key, value in row.items() if key not in DROP_FIELDS}
            yield row["index"], int(name.rpartition(".")[2]), original


def _check_unique(index: int, names: list[str | None]) -> None:
    if len(set(names)) < len(names):
        raise DataError(
            f"expected each sample once, found two rows with index {index} and the same sample number",
            field="index",
        )


def _run(
    matrices: Iterable[Matrix], scope: Scope, *, limits: Limits, cache: str | Path | None, **sandbox: Any
) -> int:
    """Fill in the verdicts of matrices; return the number of programs."""
    programs = (program for matrix in matrices for program in matrix.programs(scope))
    with ExitStack() as stack:
        pool = stack.enter_context(open_pool(limits=limits, **sandbox))
        known = stack.enter_context(VerdictCache(cache)) if cache else None
        statuses: list[str] = []
        for verdict in known.run(pool, programs, limits) if known else pool.run(programs):
            if verdict.status == "infrastructure":
                raise InfrastructureError(f"{verdict.key}: the sandbox failed twice: {verdict.stderr}")
            statuses.append(verdict.status)
    remaining = iter(statuses)
    for matrix in matrices:
        for row in matrix.verdicts:
            row[:] = [status or next(remaining) for status in row]
    return len(statuses)
