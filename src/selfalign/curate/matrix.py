"""Matrix of an instruction: the implementation of every response, run with the tests of every response.

The matrix shows whether responses to one instruction agree with each other, of which a response's own tests say nothing:
:mod:`selfalign.curate.consensus` ranks responses by it. Tests run only with implementations that define the names they
use; other cells are recorded as ``names_differ``.

Every cell is a program of its own, forked from an interpreter without any code of a response, so that no cell can affect
another one. What can be shared safely is the import of modules, which takes longer than most programs: cells that import
the modules of :data:`PRELOADS` run in sandboxes that have imported these before.
"""

from __future__ import annotations

import ast
import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import groupby, islice
from pathlib import Path
from typing import Any

from selfalign.core.errors import InfrastructureError
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
from selfalign.curate.rows import DROP_FIELDS, NAMES_DIFFER, File, SampleReader, log_counts
from selfalign.program_environments import ProgramEnvironment
from selfalign.sandbox import DEFAULT_LIMITS, Limits, Program, open_pool
from selfalign.sandbox.cache import VerdictCache
from selfalign.sandbox.types import Scope

logger = logging.getLogger(__name__)

# CPU time to start a slot and import its modules, in seconds.
OPENING_S = 0.5


@dataclass(frozen=True, slots=True)
class Preload:
    """Modules that a sandbox imports once, before the programs that use them.

    Attributes:
        modules: names of the modules. Importing them must not start threads or processes or leave files open, since
            programs are forks of the interpreter (pandas, with pyarrow, starts a thread).
        packages: top-level packages; programs that import one of them run in these sandboxes.
        saved_s: CPU time saved per program, in seconds; rounded down.
    """

    modules: tuple[str, ...]
    packages: frozenset[str]
    saved_s: float


# Modules of the standard library that responses commonly import, and that take 1 to 15 ms to import. Not for all cells:
# they add a fifth to the CPU time of a short program.
STANDARD_MODULES = (
    *("calendar", "csv", "dataclasses", "datetime", "decimal", "doctest", "fractions", "hashlib", "heapq", "inspect"),
    *("logging", "pathlib", "pprint", "statistics", "tempfile", "threading", "timeit", "unittest", "urllib.parse"),
    "uuid",
)  # fmt: skip
# A cell runs with the first one that has a package that it imports.
PRELOADS = (
    Preload(("numpy", *STANDARD_MODULES), frozenset({"numpy"}), 0.04),
    Preload(STANDARD_MODULES, frozenset(name.partition(".")[0] for name in STANDARD_MODULES), 0.003),
)
NO_PRELOAD = Preload((), frozenset(), 0.0)
# Code that uses one of these may change what a later import does, such as by another built-in function or module path.
ALTERING_MODULES = {
    *("builtins", "ctypes", "gc", "importlib", "os", "resource", "runpy", "signal", "site", "sys", "unittest.mock"),
    "warnings",
}  # fmt: skip
ALTERING_NAMES = {
    "__builtins__",
    "__dict__",
    "__import__",
    "delattr",
    "eval",
    "exec",
    "globals",
    "setattr",
    "vars",
}


@dataclass
class Implementation:
    """An implementation, as one or several responses have it.

    Attributes:
        source: source text of the first of them.
        names: functions, classes, methods and global variables that it defines.
        packages: top-level packages that it imports; None: nothing may be imported before it; see
            :func:`imported_packages`.
        responses: ids of the responses.
    """

    source: str
    names: set[str]
    packages: frozenset[str] | None
    responses: list[str] = field(default_factory=list)


@dataclass
class Tests:
    """Tests, as one or several responses have them.

    Attributes:
        source: source text of the first of them, with the imports that they need.
        names: names that they expect an implementation to define.
        packages: top-level packages that they import, or None, as for an implementation.
        responses: ids of the responses.
    """

    source: str
    names: frozenset[str]
    packages: frozenset[str] | None
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
        found = Implementation(
            code.implementation, defined_names(implementation), imported_packages(implementation)
        )
        source = self_contained_tests(response)
        tests = parse(source) or tests
        written = Tests(source, frozenset(expected), imported_packages(tests))
        tests_key = ast.dump(tests), written.names
        self.implementations.setdefault(key, found).responses.append(name)
        self.tests.setdefault(tests_key, written).responses.append(name)
        return None

    def mark(self) -> Iterator[Cell]:
        """Mark the cells whose names differ; yield the others, by row and column."""
        for row, implementation in enumerate(self.implementations.values()):
            self.verdicts.append(["" for _ in self.tests])
            for column, tests in enumerate(self.tests.values()):
                if tests.names <= implementation.names:
                    yield Cell(self, row, column)
                else:
                    self.verdicts[row][column] = NAMES_DIFFER

    def siblings(self) -> Iterator[str]:
        """Yield the status of the implementation of every response with the tests of every other response."""
        for implementation, row in zip(self.implementations.values(), self.verdicts, strict=True):
            for tests, status in zip(self.tests.values(), row, strict=True):
                yield from (
                    status for one in implementation.responses for other in tests.responses if one != other
                )

    def responses(self) -> list[str]:
        """Return the ids of the usable responses."""
        return [name for each in self.implementations.values() for name in each.responses]

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


@dataclass(frozen=True, slots=True)
class Cell:
    """An implementation and tests that run together.

    Attributes:
        matrix: the matrix.
        row: position of the implementation.
        column: position of the tests.
    """

    matrix: Matrix
    row: int
    column: int

    def program(self, scope: Scope) -> Program:
        """Return the program of the cell.

        Args:
            scope: see :class:`selfalign.sandbox.Program`.
        """
        implementation, tests = self._parts()
        return Program(
            f"implementation of {implementation.responses[0]}, tests of {tests.responses[0]}",
            f"{implementation.source}\n{tests.source}\n",
            scope=scope,
            tests_line=implementation.source.count("\n") + 2,
        )

    def preload(self) -> Preload:
        """Return the modules that the sandbox of the cell should have imported."""
        implementation, tests = self._parts()
        if implementation.packages is None or tests.packages is None:
            return NO_PRELOAD
        packages = implementation.packages | tests.packages
        return next((each for each in PRELOADS if each.packages & packages), NO_PRELOAD)

    def _parts(self) -> tuple[Implementation, Tests]:
        implementations, tests = self.matrix.implementations.values(), self.matrix.tests.values()
        return next(islice(implementations, self.row, None)), next(islice(tests, self.column, None))


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
        DataError: a row lacks index, instruction or response, two rows are the same sample of one index, or two rows of an
            index have different instructions.
        InfrastructureError: the sandbox failed for a program even after a retry; nothing is written.
    """
    rows = sorted(_numbered([*passing, *failed]), key=lambda row: row[:2])
    matrices: list[Matrix] = []
    with StepWriter("matrix", dropped=dropped) as writer:
        for index, group in groupby(rows, key=lambda row: row[0]):
            responses = [row for _, _, row in group]
            matrix = Matrix(index, responses[0]["instruction"])
            for row in responses:
                reason = matrix.add(row_id(row) or "", row["response"])
                writer.put(row, Drop(reason) if reason else Keep(row))
            matrices.append(matrix)
        if matrices and all(len(each.responses()) < 2 for each in matrices):
            logger.warning(
                "matrix: no instruction has two usable responses, so no response can agree with another"
            )
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
    samples = SampleReader()
    for file in files:
        for name, row in samples.read(file):
            original = {key: value for key, value in row.items() if key not in DROP_FIELDS}
            yield row["index"], int(name.rpartition(".")[2]), original


def _run(
    matrices: Iterable[Matrix],
    scope: Scope,
    *,
    runtime: str,
    workers: int | None,
    limits: Limits,
    cache: str | Path | None,
    **sandbox: Any,
) -> int:
    """Fill in the verdicts of matrices; return the number of programs."""
    cells = [cell for matrix in matrices for cell in matrix.mark()]
    for preload, group in group_cells(cells, runtime, workers).items():
        programs = (cell.program(scope) for cell in group)
        warm = [f"import {name}" for name in preload.modules]
        with ExitStack() as stack:
            pool = stack.enter_context(
                open_pool(runtime, workers=workers, limits=limits, warm=warm, **sandbox)
            )
            known = stack.enter_context(VerdictCache(cache)) if cache else None
            verdicts = known.run(pool, programs, limits) if known else pool.run(programs)
            for cell, verdict in zip(group, verdicts, strict=True):
                if verdict.status == "infrastructure":
                    raise InfrastructureError(f"{verdict.key}: the sandbox failed twice: {verdict.stderr}")
                cell.matrix.verdicts[cell.row][cell.column] = verdict.status
    return len(cells)


def group_cells(
    cells: Iterable[Cell], runtime: str = "auto", workers: int | None = None
) -> dict[Preload, list[Cell]]:
    """Return cells by the modules that their sandboxes should import beforehand.

    A group that is too small to repay the start of its own sandboxes runs with those without modules; so do all cells if the
    sandbox is on another host, which imports nothing beforehand.

    Args:
        cells: the cells, in any order; it is kept within the groups.
        runtime: sandbox runtime; see :func:`selfalign.sandbox.open_pool`.
        workers: programs that run at a time; None for the number of cores.
    """
    groups: dict[Preload, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(cell.preload(), []).append(cell)
    opening = OPENING_S * (workers or len(os.sched_getaffinity(0)))
    is_remote = runtime.startswith(("http://", "https://"))
    small = [each for each in groups if is_remote or len(groups[each]) * each.saved_s < opening]
    rest = [cell for each in small for cell in groups.pop(each)]
    return {NO_PRELOAD: rest, **groups} if rest else groups


def imported_packages(tree: ast.Module) -> frozenset[str] | None:
    """Return the top-level packages that code imports, in any place; None if it may change what an import does.

    An import before the program has the same effect as one in it unless the program changes the state of the interpreter in
    between: built-in functions, attributes of modules, or files that hide a module.

    Args:
        tree: its syntax tree.
    """
    modules: set[str] = set()
    bound: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules.update(each.name for each in node.names)
            bound.update(each.asname or each.name.partition(".")[0] for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            modules.update((node.module, *(f"{node.module}.{each.name}" for each in node.names)))
            bound.update(each.asname or each.name for each in node.names)
    prefixes = {".".join(name.split(".")[:length]) for name in modules for length in (1, 2)}
    if prefixes & ALTERING_MODULES or any(_alters(node, bound) for node in ast.walk(tree)):
        return None
    return frozenset(name.partition(".")[0] for name in modules)


def _alters(node: ast.AST, imported: set[str]) -> bool:
    """Return whether a part of some code may change what an import does.

    Args:
        node: the part.
        imported: names that the code imports.
    """
    match node:
        case ast.Name(id=name):
            return name in ALTERING_NAMES
        case ast.Attribute(attr="__dict__"):
            return True
        case ast.Attribute(ctx=ast.Store() | ast.Del()) | ast.Subscript(ctx=ast.Store() | ast.Del()):
            return any(isinstance(each, ast.Name) and each.id in imported for each in ast.walk(node.value))
        case ast.Constant(value=str(text)):
            return ".py" in text
    return False
