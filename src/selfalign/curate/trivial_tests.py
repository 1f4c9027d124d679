"""Trivial tests: tests that still pass if every tested function returns None."""

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
from selfalign.curate.code import FUNCTIONS, parse, parse_response_code
from selfalign.curate.rows import File, log_counts, read_rows
from selfalign.sandbox import DEFAULT_LIMITS, Limits, Program, open_pool
from selfalign.sandbox.cache import VerdictCache

TEST_NAMES = ("test", "check", "main", "run_test")


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
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and "main" in (
            getattr(node.func, "attr", ""),
            getattr(node.func, "id", ""),
        ):
            node.keywords = [each for each in node.keywords if each.arg != "exit"]
    return ast.unparse(tree) + "\n" if stubbed else None


def nontrivial_tests_file(source: File, out: File, dropped: File | None = None, **sandbox: Any) -> StepCounts:
    """Drop rows whose tests pass with the functions replaced by stubs. Constant memory.

    Args:
        source: JSON Lines file of rows.
        out: JSON Lines file of the kept rows.
        dropped: JSON Lines file of the dropped rows, with their reasons; None writes none.
        sandbox: keyword arguments of :func:`judge_tests`.

    Raises:
        DataError: a row lacks instruction or response.
        InfrastructureError: the sandbox failed; nothing is written.
    """
    with StepWriter("nontrivial_tests", out=out, dropped=dropped) as writer:
        for row, outcome in judge_tests(read_rows([source]), **sandbox):
            writer.put(row, outcome)
    return log_counts(writer.counts)


def judge_tests(
    rows: Iterable[Record],
    *,
    runtime: str = "auto",
    image: str = "",
    workers: int | None = None,
    limits: Limits = DEFAULT_LIMITS,
    cache: str | Path | None = None,
) -> Iterator[tuple[Record, Outcome]]:
    """Yield every row with its outcome, in order; a row is dropped if its tests pass with stubs (``trivial_tests``).

    A row whose code is nested too deeply to replace functions is dropped too (``nested_too_deeply``).

    Args:
        rows: rows with a response.
        runtime: sandbox runtime; see :func:`selfalign.sandbox.open_pool`.
        image: container image, for container engines; see :func:`selfalign.sandbox.open_pool`.
        workers: programs that run at a time; None for the number of cores.
        limits: resource limits of each program.
        cache: file of known verdicts, which is added to; None keeps none.

    Raises:
        InfrastructureError: the sandbox failed for a program even after a retry.
    """
    # Rows in order, each with its outcome, or with None while its program runs.
    waiting: deque[tuple[Record, Outcome | None]] = deque()

    def programs() -> Iterator[Program]:
        for number, row in enumerate(rows, start=1):
            try:
                program = stub_functions(row["response"])
            except RecursionError:
                waiting.append((row, Drop("nested_too_deeply")))
                continue
            waiting.append((row, Keep(row) if program is None else None))
            if program is not None:
                # Observed, so that the program also comes to its end after `unittest.main()`.
                yield Program(f"row {number}", program, tests_line=1)

    def decided() -> Iterator[tuple[Record, Outcome]]:
        while waiting and (outcome := waiting[0][1]) is not None:
            yield waiting.popleft()[0], outcome

    with ExitStack() as stack:
        pool = stack.enter_context(open_pool(runtime, workers=workers, limits=limits, image=image))
        known = stack.enter_context(VerdictCache(cache)) if cache else None
        for verdict in known.run(pool, programs(), limits) if known else pool.run(programs()):
            if verdict.status == "infrastructure":
                raise InfrastructureError(f"{verdict.key}: the sandbox failed twice: {verdict.stderr}")
            yield from decided()
            row, _ = waiting.popleft()
            # Whatever else was observed: a failure that the program hides does not make its tests good ones.
            is_at_end = verdict.exit_code == 0 and verdict.status != "early_exit"
            yield row, Drop("trivial_tests") if is_at_end else Keep(row)
        yield from decided()


def _stub(node: ast.stmt) -> bool:
    """Make a function, or all methods of a class but its constructor, return None; return whether there was one."""
    if isinstance(node, ast.ClassDef):
        stubbed = [_stub(each) for each in node.body]
        return any(stubbed)
    if not isinstance(node, FUNCTIONS) or node.name in {"__init__", "__new__", "__post_init__"}:
        return False
    node.body = [ast.Return(ast.Constant(None))]
    return True
