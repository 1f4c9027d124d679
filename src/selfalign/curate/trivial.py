"""Tests that prove nothing: they still pass when every function they test returns None."""

from __future__ import annotations

import ast
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from selfalign.core.errors import InfrastructureError
from selfalign.core.filtering import Drop, Keep, Outcome, StepCounts, StepWriter
from selfalign.core.jsonl import Record
from selfalign.curate.code import FUNCTIONS, code_of, parse
from selfalign.curate.rows import File, read_rows, tell
from selfalign.sandbox import DEFAULT_LIMITS, Limits, Program, open_pool
from selfalign.sandbox.cache import VerdictCache

TEST_NAMES = ("test", "check", "main", "run_test")


def hollowed(response: str) -> str | None:
    """Return the program of a response with its functions and methods emptied, or None if there is nothing to empty.

    What the tests section defines anew under a name of the implementation is emptied too. Where the
    response has no sections, functions named like tests stay as they are.
    """
    code = code_of(response)
    tree, tests = parse(code.program), parse(code.implementation)
    if tree is None or tests is None:
        return None
    names = {
        node.name
        for node in tests.body
        if isinstance(node, (*FUNCTIONS, ast.ClassDef))
        and (code.tagged or not node.name.lower().startswith(TEST_NAMES))
    }
    emptied = False
    for node in tree.body:
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)) and node.name in names:
            emptied = _empty(node) or emptied
    return ast.unparse(tree) + "\n" if emptied else None


def nontrivial_tests_file(source: File, out: File, dropped: File | None = None, **sandbox: Any) -> StepCounts:
    """Drop rows whose tests pass with the functions emptied. Constant memory.

    Args:
        sandbox: keyword arguments of :func:`judge_tests`.

    Raises:
        InfrastructureError: the sandbox failed; nothing is written.
    """
    with StepWriter("nontrivial_tests", out=out, dropped=dropped) as writer:
        for row, outcome in judge_tests(read_rows([source]), **sandbox):
            writer.put(row, outcome)
    return tell(writer.counts)


def judge_tests(
    rows: Iterable[Record],
    *,
    runtime: str = "auto",
    image: str = "",
    workers: int | None = None,
    limits: Limits = DEFAULT_LIMITS,
    cache: str | Path | None = None,
) -> Iterator[tuple[Record, Outcome]]:
    """Yield every row with its outcome, in order: dropped if its tests pass with the functions emptied.

    Args:
        runtime: how programs are isolated; `image`, `workers` and `limits` as of :func:`open_pool`.
        cache: file of verdicts already known, added to.

    Raises:
        InfrastructureError: the sandbox failed for a program even after a retry.
    """
    waiting: deque[tuple[str, Record, bool]] = deque()

    def programs() -> Iterator[Program]:
        for number, row in enumerate(rows, start=1):
            program = hollowed(row["response"])
            waiting.append((f"row {number}", row, program is not None))
            if program is not None:
                yield Program(f"row {number}", program)

    with ExitStack() as stack:
        pool = stack.enter_context(open_pool(runtime, workers=workers, limits=limits, image=image))
        known = stack.enter_context(VerdictCache(cache)) if cache else None
        for verdict in known.run(pool, programs(), limits) if known else pool.run(programs()):
            if verdict.status == "infrastructure":
                raise InfrastructureError(f"{verdict.key}: the sandbox failed twice: {verdict.stderr}")
            while not waiting[0][2]:
                yield _kept(waiting.popleft()[1])
            row = waiting.popleft()[1]
            yield (row, Drop("trivial_tests")) if verdict.status == "passed" else _kept(row)
        while waiting:
            yield _kept(waiting.popleft()[1])


def _kept(row: Record) -> tuple[Record, Outcome]:
    return row, Keep(row)


def _empty(node: ast.stmt) -> bool:
    """Make a function, or every method of a class but its constructor, return None; tell whether there was one."""
    if isinstance(node, ast.ClassDef):
        emptied = [_empty(each) for each in node.body]
        return any(emptied)
    if not isinstance(node, FUNCTIONS) or node.name in {"__init__", "__new__", "__post_init__"}:
        return False
    node.body = [ast.Return(ast.Constant(None))]
    return True
