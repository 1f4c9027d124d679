"""The Python code of a response: implementation, tests, and the functions that it defines."""

from __future__ import annotations

import ast
import warnings
from dataclasses import dataclass

from selfalign.core.code_blocks import iter_blocks
from selfalign.curate.sections import CODE_LAYOUT, parse_sections

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
DEFINITIONS = (*FUNCTIONS, ast.ClassDef)


@dataclass(frozen=True, slots=True)
class ResponseCode:
    """The Python blocks of a response.

    Attributes:
        implementation: blocks of the implementation section; all blocks if the response has no section tags.
        tests: blocks of the tests section; the same text as `implementation` if the response has no section tags.
        tagged: whether the response has section tags.
    """

    implementation: str
    tests: str
    tagged: bool

    @property
    def program(self) -> str:
        """Implementation and tests as one program."""
        return f"{self.implementation}\n{self.tests}" if self.tagged else self.implementation


def parse_response_code(response: str) -> ResponseCode:
    """Return the Python code of a response.

    Section tags are those of the published recipe, or its tags of implementation and tests alone.

    Args:
        response: text of the response.
    """
    sections = parse_sections(response) or parse_sections(response, CODE_LAYOUT)
    if sections is None:
        code = python_code(response)
        return ResponseCode(code, code, tagged=False)
    return ResponseCode(python_code(sections.implementation), python_code(sections.tests), tagged=True)


def python_code(text: str) -> str:
    """Return the code blocks with the tag ``python``, joined by newlines.

    Args:
        text: Markdown text.
    """
    return "\n".join(block.code for block in iter_blocks(text) if block.has_tag("python"))


def parse(code: str) -> ast.Module | None:
    """Return the syntax tree of Python code, or None if it does not parse.

    Args:
        code: source text.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def function_names(code: str | None) -> str | None:
    """Return the names of all functions that some code defines, joined by spaces.

    Args:
        code: source text, or None.

    Returns:
        the names; None if there is no code, it does not parse, or it is nested too deeply.
    """
    if code is None:
        return None
    try:
        return " ".join(_names_below(ast.parse(code)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def implementation_key(response: str) -> str | None:
    """Return the syntax tree of an implementation without docstrings, as text.

    Responses with equal keys are not independent of each other.

    Args:
        response: text of the response.

    Returns:
        the text; None if the response has no implementation apart from its tests, or one that does not parse or is
        nested too deeply.
    """
    code = parse_response_code(response)
    tree = parse(code.implementation) if code.tagged else None
    if tree is None or not tree.body:
        return None
    for node in ast.walk(tree):
        if isinstance(node, (*DEFINITIONS, ast.Module)) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
    try:
        return ast.dump(tree)
    except RecursionError:
        return None


def tested_names(code: ResponseCode) -> set[str] | None:
    """Return the names that the tests of a response expect a solution to define.

    Args:
        code: code of a response with sections.

    Returns:
        the functions, classes, methods and global variables of the implementation that the tests use; None if
        implementation or tests do not parse.
    """
    implementation, tests = parse(code.implementation), parse(code.tests)
    if implementation is None or tests is None:
        return None
    methods = {node.attr for node in ast.walk(tests) if isinstance(node, ast.Attribute)}
    used = (_names(tests, ast.Load) | methods) & defined_names(implementation)
    return used - _names(tests, ast.Store) - defined_names(tests)


def defined_names(tree: ast.Module) -> set[str]:
    """Return the names of all functions, classes and methods that a module defines, and of its global variables.

    Args:
        tree: syntax tree of the module.
    """
    names = {node.name for node in ast.walk(tree) if isinstance(node, DEFINITIONS)}
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            names |= _names(node, ast.Store)
    return {name for name in names if not name.startswith("__")}


def self_contained_tests(response: str) -> str:
    """Return the tests of a response, after those imports of its implementation whose names they use.

    A solution need not import what another implementation did.

    Args:
        response: text of a response with sections whose code parses.
    """
    code = parse_response_code(response)
    implementation, tests = parse(code.implementation), parse(code.tests)
    used = _names(tests, ast.Load) if tests else set()
    imports = [
        ast.unparse(node)
        for node in (implementation.body if implementation else [])
        if isinstance(node, ast.Import | ast.ImportFrom)
        and getattr(node, "module", None) != "__future__"
        and any((each.asname or each.name.partition(".")[0]) in (*used, "*") for each in node.names)
    ]
    return "\n".join([*imports, code.tests])


def _names_below(node: ast.AST) -> list[str]:
    names: list[str] = []
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            names.append(child.name)
        names += _names_below(child)
    return names


def _names(tree: ast.AST, context: type[ast.expr_context]) -> set[str]:
    return {
        node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, context)
    }
