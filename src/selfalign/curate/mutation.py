"""Mutation tests: do the tests of a response fail if its code is changed?

A mutant is the program of a response with one change of its implementation: every function replaced by a stub that
returns None, a changed constant, a changed comparison, a removed branch, or a changed operator. Tests kill a mutant if
its program no longer comes to its end. Tests that do not kill the stub are trivial. Some mutants are equivalent to the
original, so that no tests can kill them: a kill rate of 1 cannot be expected of all rows.
"""

from __future__ import annotations

import ast
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain, islice, zip_longest
from pathlib import Path
from typing import Any

from selfalign.core.config.curation import MutationConfig
from selfalign.core.errors import InfrastructureError
from selfalign.core.filtering import Drop, Keep, Outcome, StepCounts, StepWriter
from selfalign.core.jsonl import Record
from selfalign.core.lineage import with_lineage
from selfalign.curate.code import FUNCTIONS, parse, parse_response_code
from selfalign.curate.rows import KILL_RATE, File, log_counts, read_rows
from selfalign.program_environments import ProgramEnvironment
from selfalign.sandbox import DEFAULT_LIMITS, Limits, Program, Verdict, open_pool
from selfalign.sandbox.cache import VerdictCache

TEST_NAMES = ("test", "check", "main", "run_test")
STUB = "stub"
COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitAnd,
}


@dataclass(frozen=True, slots=True)
class Mutant:
    """A program with one change.

    Attributes:
        kind: ``stub``, ``constant``, ``comparison``, ``branch`` or ``operator``.
        line: line of the change in the implementation, from 1; None for ``stub``, which changes all functions.
        program: source text of implementation and tests.
    """

    kind: str
    line: int | None
    program: str

    @property
    def name(self) -> str:
        """Kind and line as text."""
        return self.kind if self.line is None else f"{self.kind} in line {self.line}"


@dataclass
class Candidate:
    """A row whose mutants run.

    Attributes:
        row: the row.
        mutants: its mutants; none if its code cannot be analysed.
        survived: whether each of the mutants that have run so far survived.
        outcome: outcome that does not depend on the mutants; None if it does.
    """

    row: Record
    mutants: list[Mutant] = field(default_factory=list)
    survived: list[bool] = field(default_factory=list)
    outcome: Outcome | None = None

    def judge(self, drop_trivial: bool, mutation: MutationConfig) -> Outcome:
        """Return the outcome after all mutants have run.

        Args:
            drop_trivial: drop the row if the stub survived.
            mutation: minimum kill rate.
        """
        if self.outcome is not None:
            return self.outcome
        survivors = [each.name for each, lives in zip(self.mutants, self.survived, strict=True) if lives]
        if drop_trivial and STUB in survivors:
            return Drop("trivial_tests")
        if mutation.min_kill_rate is None:
            return Keep(self.row)
        total = len(self.mutants)
        rate = round(1 - len(survivors) / total, 4) if total else None
        if rate is not None and rate < mutation.min_kill_rate:
            return Drop("low_kill_rate", {"kill_rate": rate, "mutants": total, "survivors": survivors})
        row = {**self.row, KILL_RATE: rate}
        return Keep(with_lineage(row, "mutation", mutants=total, survivors=survivors))


def nontrivial_tests_file(
    source: File,
    out: File,
    dropped: File | None = None,
    *,
    drop_trivial: bool = True,
    mutation: MutationConfig | None = None,
    **sandbox: Any,
) -> StepCounts:
    """Drop rows whose tests do not fail on changed code. Constant memory.

    Args:
        source: JSON Lines file of rows.
        out: JSON Lines file of the kept rows, with the column ``test_kill_rate`` if a minimum is set.
        dropped: JSON Lines file of the dropped rows, with their reasons; None writes none.
        drop_trivial: see :func:`judge_tests`.
        mutation: see :func:`judge_tests`.
        sandbox: further keyword arguments of :func:`judge_tests`.

    Raises:
        DataError: a row lacks instruction or response.
        InfrastructureError: the sandbox failed; nothing is written.
    """
    outcomes = judge_tests(read_rows([source]), drop_trivial=drop_trivial, mutation=mutation, **sandbox)
    with StepWriter("nontrivial_tests", out=out, dropped=dropped) as writer:
        for row, outcome in outcomes:
            writer.put(row, outcome)
    return log_counts(writer.counts)


def judge_tests(
    rows: Iterable[Record],
    *,
    drop_trivial: bool = True,
    mutation: MutationConfig | None = None,
    runtime: str = "auto",
    image: str = "",
    environment: ProgramEnvironment | None = None,
    workers: int | None = None,
    limits: Limits = DEFAULT_LIMITS,
    cache: str | Path | None = None,
) -> Iterator[tuple[Record, Outcome]]:
    """Yield every row with its outcome, in order.

    A row is dropped if its tests pass with stubs (``trivial_tests``), if they kill too few mutants (``low_kill_rate``),
    or if its code is nested too deeply to be changed (``nested_too_deeply``). A row whose code has nothing to change is
    kept.

    Args:
        rows: rows with a response.
        drop_trivial: drop rows whose tests pass with stubs.
        mutation: minimum kill rate, and number of mutants; None, or a minimum of None: the stub alone.
        runtime: sandbox runtime; see :func:`selfalign.sandbox.open_pool`.
        image: container image, for container engines; see :func:`selfalign.sandbox.open_pool`.
        environment: what programs can import; None: ``build``.
        workers: programs that run at a time; None for the number of cores.
        limits: resource limits of each program.
        cache: file of known verdicts, which is added to; None keeps none.

    Raises:
        InfrastructureError: the sandbox failed for a program even after a retry.
    """
    mutation = mutation or MutationConfig()
    most = 0 if mutation.min_kill_rate is None else mutation.max_mutants
    waiting: deque[Candidate] = deque()

    def programs() -> Iterator[Program]:
        for number, row in enumerate(rows, start=1):
            candidate = Candidate(row)
            try:
                candidate.mutants = mutants(row["response"], most)
            except RecursionError:
                candidate.outcome = Drop("nested_too_deeply")
            waiting.append(candidate)
            for mutant in candidate.mutants:
                # Observed, so that the program also comes to its end after `unittest.main()`.
                yield Program(f"row {number}, {mutant.name}", mutant.program, tests_line=1)

    def decided() -> Iterator[tuple[Record, Outcome]]:
        while waiting and len(waiting[0].survived) == len(waiting[0].mutants):
            candidate = waiting.popleft()
            yield candidate.row, candidate.judge(drop_trivial, mutation)

    with ExitStack() as stack:
        pool = stack.enter_context(
            open_pool(runtime, workers=workers, limits=limits, image=image, environment=environment)
        )
        known = stack.enter_context(VerdictCache(cache)) if cache else None
        for verdict in known.run(pool, programs(), limits) if known else pool.run(programs()):
            if verdict.status == "infrastructure":
                raise InfrastructureError(f"{verdict.key}: the sandbox failed twice: {verdict.stderr}")
            yield from decided()
            waiting[0].survived.append(_survives(verdict))
        yield from decided()


def _survives(verdict: Verdict) -> bool:
    """Return whether a mutant came to its end; a failure that the program hides does not make its tests good ones."""
    return verdict.exit_code == 0 and verdict.status != "early_exit"


def mutants(response: str, most: int) -> list[Mutant]:
    """Return mutants of a response: the stub, then the other kinds in turn, each kind in the order of the source.

    Args:
        response: text of the response. Without sections, it has no mutants but the stub.
        most: maximum number of mutants besides the stub.

    Raises:
        RecursionError: the code is nested too deeply.
    """
    stub = stub_functions(response)
    found = [] if stub is None else [Mutant(STUB, None, stub)]
    return [*found, *islice(_changed_programs(response), most)]


def stub_functions(response: str) -> str | None:
    """Return the program of a response with its functions and methods replaced by stubs that return None.

    Definitions in the tests section with a name from the implementation are replaced too. If the response has no
    sections, functions with names of tests are left unchanged. Calls of ``unittest.main`` lose ``exit=False``, which
    hides failures.

    Args:
        response: text of the response.

    Returns:
        the program; None if the code does not parse or has no function to replace.

    Raises:
        RecursionError: the code is nested too deeply.
    """
    code = parse_response_code(response)
    tree, tests = parse(code.program), parse(code.implementation)
    if tree is None or tests is None:
        return None
    names = {
        node.name
        for node in tests.body
        if isinstance(node, (*FUNCTIONS, ast.ClassDef))
        and (code.tagged or not node.name.lower().startswith(TEST_NAMES))
    }
    stubbed = False
    for node in tree.body:
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)) and node.name in names:
            stubbed = _stub(node) or stubbed
    _show_failures(tree)
    return ast.unparse(tree) + "\n" if stubbed else None


def _show_failures(tree: ast.Module) -> None:
    """Remove ``exit=False`` from calls of ``unittest.main``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and "main" in (
            getattr(node.func, "attr", ""),
            getattr(node.func, "id", ""),
        ):
            node.keywords = [each for each in node.keywords if each.arg != "exit"]


def _stub(node: ast.stmt) -> bool:
    """Make a function, or all methods of a class but its constructor, return None; return whether there was one."""
    if isinstance(node, ast.ClassDef):
        stubbed = [_stub(each) for each in node.body]
        return any(stubbed)
    if not isinstance(node, FUNCTIONS) or node.name in {"__init__", "__new__", "__post_init__"}:
        return False
    node.body = [ast.Return(ast.Constant(None))]
    return True


def _changed_programs(response: str) -> Iterator[Mutant]:
    """Yield the mutants of a response with sections other than the stub, the kinds in turn."""
    code = parse_response_code(response)
    tree, implementation = parse(code.program), parse(code.implementation)
    if tree is None or implementation is None or not code.tagged:
        return
    statements = len(implementation.body)
    places: dict[str, list[int]] = {}
    for place, (kind, _, _) in enumerate(_changes(tree.body[:statements])):
        places.setdefault(kind, []).append(place)
    in_turn = chain.from_iterable(zip_longest(*(places[kind] for kind in sorted(places))))
    for wanted in (place for place in in_turn if place is not None):
        changed = ast.parse(code.program)
        _show_failures(changed)
        kind, line, change = next(islice(_changes(changed.body[:statements]), wanted, None))
        change()
        yield Mutant(kind, line, ast.unparse(changed) + "\n")


Change = tuple[str, int, Callable[[], None]]


def _changes(statements: Iterable[ast.stmt]) -> Iterator[Change]:
    """Yield every possible change of some code in the order of the source: kind, line, and what makes it."""
    for node in chain.from_iterable(map(_executed_nodes, statements)):
        yield from _changes_of(node)


def _changes_of(node: ast.AST) -> Iterator[Change]:
    """Yield the possible changes of one node."""
    match node:
        case ast.Constant(value=value) if isinstance(value, bool | int | float | str):
            yield "constant", node.lineno, lambda: setattr(node, "value", _other_constant(value))
        case ast.Compare(ops=[first, *_]):
            other = COMPARISONS[type(first)]()
            yield "comparison", node.lineno, lambda: node.ops.__setitem__(0, other)
        case ast.If() | ast.IfExp():
            yield "branch", node.lineno, lambda: setattr(node, "test", ast.Constant(value=False))
        case ast.BinOp(op=op) | ast.AugAssign(op=op) if type(op) in OPERATORS:
            yield "operator", node.lineno, lambda: setattr(node, "op", OPERATORS[type(op)]())
        case ast.BoolOp(op=op):
            other = ast.Or() if isinstance(op, ast.And) else ast.And()
            yield "operator", node.lineno, lambda: setattr(node, "op", other)


def _other_constant(value: bool | float | str) -> bool | float | str:
    if isinstance(value, bool):
        return not value
    return value + "x" if isinstance(value, str) else value + 1


def _executed_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Yield a node and those below, in the order of the source, without docstrings, annotations and parts of f-strings."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return
    yield node
    if isinstance(node, ast.JoinedStr):
        return
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "type_params"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _executed_nodes(child)
