"""Filters of one row at a time that look at its code. None is part of the reference."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator

from selfalign.core.code_blocks import iter_blocks
from selfalign.core.config.curation import QualityConfig
from selfalign.core.filtering import Drop, Filter, Keep, Outcome
from selfalign.core.jsonl import Record
from selfalign.curate.code import FUNCTIONS, code_of, parse

# A function without a body of its own is right where it is declared so.
DECLARING_DECORATORS = ("abstractmethod", "abstractproperty", "overload")
TEST_RUNNERS = ("unittest.main", "pytest.main")


def quality_chain(settings: QualityConfig) -> list[Filter]:
    """Return the filters that are switched on, the cheapest first; trivial tests are a step of their own."""
    chain: list[Filter] = []
    if settings.code_languages:
        chain.append(require_languages(settings.code_languages))
    if settings.complete_code:
        chain.append(require_complete_code)
    if settings.asserting_tests:
        chain.append(require_asserting_tests)
    return chain


def require_languages(languages: Collection[str]) -> Filter:
    """Return the filter that drops a response one of whose fenced blocks has a tag other than `languages`."""
    wanted = {language.lower() for language in languages}

    def check(record: Record) -> Outcome:
        other = next((b.tag for b in iter_blocks(record["response"]) if b.tag.lower() not in wanted), None)
        return Keep(record) if other is None else Drop("code_language", other)

    return check


def require_complete_code(record: Record) -> Outcome:
    """Drop a response whose code is no Python, or leaves a function without a body."""
    tree = parse(code_of(record["response"]).implementation)
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

    An assertion counts if it is about more than constants, and stands where the program comes by: at the top
    level, or in a function that the top level calls (through others, or by a test runner).
    """
    tree = parse(code_of(record["response"]).tests)
    if tree is None or not any(_is_assertion(node) for node in _reached(tree)):
        return Drop("tests_assert_nothing")
    return Keep(record)


def _is_stub(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    if any(ast.unparse(each).endswith(DECLARING_DECORATORS) for each in function.decorator_list):
        return False
    return all(_says_nothing(statement) for statement in function.body)


def _says_nothing(statement: ast.stmt) -> bool:
    """Whether a statement is a docstring, ``...``, ``pass`` or ``raise NotImplementedError``."""
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
        case ast.Call(func=ast.Attribute(attr=name)):
            return name.startswith("assert") or name == "raises"  # unittest and mocks; pytest.raises
    return False


def _reached(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield the nodes that running the module comes by: its own, and the functions it calls by name."""
    functions = {node.name: node for node in ast.walk(tree) if isinstance(node, FUNCTIONS)}
    waiting: list[ast.AST] = [tree]
    called: set[str] = set()
    while waiting:
        for node in _own_nodes(waiting.pop()):
            yield node
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
            names = functions if ast.unparse(node.func).endswith(TEST_RUNNERS) else [name]
            for each in names:
                if each in functions and each not in called:
                    called.add(each)
                    waiting.append(functions[each])


def _own_nodes(root: ast.AST) -> Iterator[ast.AST]:
    """Walk `root` without the bodies of the functions defined in it."""
    waiting = list(ast.iter_child_nodes(root))
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, FUNCTIONS):
            waiting.extend(ast.iter_child_nodes(node))
