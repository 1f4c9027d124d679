"""Filters of single rows by their code. None is part of the reference."""

from __future__ import annotations

import ast
import functools
from collections.abc import Collection, Iterator

from selfalign.core.code_blocks import iter_blocks
from selfalign.core.config.curation import QualityConfig
from selfalign.core.filtering import Drop, Filter, Keep, Outcome
from selfalign.core.jsonl import Record
from selfalign.curate.code import FUNCTIONS, parse, parse_response_code

# Decorators of functions that rightly have no body.
DECLARING_DECORATORS = ("abstractmethod", "abstractproperty", "overload")
# What may call any function of the module: runners of tests, and access by name.
CALLERS_OF_ALL = {
    "main",
    "TestLoader",
    "TextTestRunner",
    "globals",
    "locals",
    "vars",
    "getattr",
    "eval",
    "exec",
}
DOCTEST_RUNNERS = {"testmod", "run_docstring_examples"}


def quality_chain(settings: QualityConfig) -> list[Filter]:
    """Return the enabled filters, the cheapest first. Trivial tests are a step of their own.

    Args:
        settings: which filters are enabled.
    """
    chain: list[Filter] = []
    if settings.code_languages:
        chain.append(require_languages(settings.code_languages))
    if settings.complete_code:
        chain.append(require_complete_code)
    if settings.asserting_tests:
        chain.append(require_asserting_tests)
    return chain


def drop_deep_nesting(check: Filter) -> Filter:
    """Return a filter that also drops records whose code is nested too deeply for it (``nested_too_deeply``).

    Args:
        check: a filter that walks a syntax tree recursively.
    """

    @functools.wraps(check)
    def guarded(record: Record) -> Outcome:
        try:
            return check(record)
        except RecursionError:
            return Drop("nested_too_deeply")

    return guarded


def require_languages(languages: Collection[str]) -> Filter:
    """Return the filter that drops a response with a fenced block in another language.

    Args:
        languages: accepted tags of blocks, ignoring case.
    """
    wanted = {language.lower() for language in languages}

    def check(record: Record) -> Outcome:
        other = next((b.tag for b in iter_blocks(record["response"]) if b.tag.lower() not in wanted), None)
        return Keep(record) if other is None else Drop("code_language", other)

    return check


@drop_deep_nesting
def require_complete_code(record: Record) -> Outcome:
    """Drop a response whose code does not parse, or has a function without a body.

    Args:
        record: a row.
    """
    tree = parse(parse_response_code(record["response"]).implementation)
    if tree is None:
        return Drop("incomplete_code", "does not parse")
    if not tree.body:
        return Drop("incomplete_code", "no code")
    stub = next(
        (node.name for node in ast.walk(tree) if isinstance(node, FUNCTIONS) and _is_stub(node)), None
    )
    return Keep(record) if stub is None else Drop("incomplete_code", stub)


def require_asserting_tests(record: Record) -> Outcome:
    """Drop a response whose tests assert nothing when they run.

    An assertion counts if it involves a name, and if it can be executed: at the top level, or in a function that the
    top level refers to, directly or through other functions, or that a test runner or an access by name may call. What
    was executed is observed when the tests run (:mod:`selfalign.execute`); this also judges rows that were not.

    Args:
        record: a row.
    """
    tree = parse(parse_response_code(record["response"]).tests)
    if tree is None or not any(_is_assertion(node) for node in _executed_nodes(tree)):
        return Drop("tests_assert_nothing")
    return Keep(record)


def count_assertions(tests: str) -> int:
    """Return the number of assertions in the source text of tests; 0 if it does not parse.

    Args:
        tests: source text.
    """
    tree = parse(tests)
    return sum(map(_is_assertion, ast.walk(tree))) if tree else 0


def _is_stub(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    if any(ast.unparse(each).endswith(DECLARING_DECORATORS) for each in function.decorator_list):
        return False
    return all(_is_placeholder(statement) for statement in function.body)


def _is_placeholder(statement: ast.stmt) -> bool:
    """Return whether a statement is a docstring, ``...``, ``pass`` or ``raise NotImplementedError``."""
    match statement:
        case ast.Pass() | ast.Expr(value=ast.Constant()):
            return True
        case ast.Raise(exc=ast.Name(id="NotImplementedError")):
            return True
        case ast.Raise(exc=ast.Call(func=ast.Name(id="NotImplementedError"))):
            return True
    return False


def _is_assertion(node: ast.AST) -> bool:
    match node:
        case ast.Assert():
            return any(isinstance(part, ast.Name) for part in ast.walk(node.test))
        case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name)):
            # unittest and mocks, pytest.raises, doctest
            return name.startswith("assert") or name == "raises" or name in DOCTEST_RUNNERS
    return False


def _executed_nodes(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield the nodes that may be executed with the module: its own, and those of functions that they refer to."""
    functions = {node.name: node for node in ast.walk(tree) if isinstance(node, FUNCTIONS)}
    waiting: list[ast.AST] = [tree]
    called: set[str] = set()
    while waiting:
        for node in _own_nodes(waiting.pop()):
            yield node
            match node:
                case ast.Name(id=name) | ast.Attribute(attr=name):
                    names = functions if name in CALLERS_OF_ALL - functions.keys() else [name]
                case _:
                    continue
            for each in names:
                if each in functions and each not in called:
                    called.add(each)
                    waiting.append(functions[each])


def _own_nodes(root: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes below `root`, without those of the functions defined in it."""
    waiting = list(ast.iter_child_nodes(root))
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, FUNCTIONS):
            waiting.extend(ast.iter_child_nodes(node))
