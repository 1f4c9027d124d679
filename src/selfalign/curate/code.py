"""The code of a response: what it implements, what tests it, and the functions it defines."""

from __future__ import annotations

import ast
import warnings
from dataclasses import dataclass

from selfalign.core.code_blocks import iter_blocks
from selfalign.curate.sections import parse_sections

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True, slots=True)
class ResponseCode:
    """The Python blocks of a response.

    Attributes:
        implementation: of its implementation section; all blocks, where the response has no section tags.
        tests: of its tests section; the same text as `implementation`, where it has none.
        tagged: whether there are sections.
    """

    implementation: str
    tests: str
    tagged: bool

    @property
    def program(self) -> str:
        """Implementation and tests as one program."""
        return f"{self.implementation}\n{self.tests}" if self.tagged else self.implementation


def code_of(response: str) -> ResponseCode:
    """Return the code of a response."""
    sections = parse_sections(response)
    if sections is None:
        code = python_code(response)
        return ResponseCode(code, code, tagged=False)
    return ResponseCode(python_code(sections.implementation), python_code(sections.tests), tagged=True)


def python_code(text: str) -> str:
    """Return the blocks of `text` that are tagged ``python``, joined by newlines."""
    return "\n".join(block.code for block in iter_blocks(text) if block.has_tag("python"))


def parse(code: str) -> ast.Module | None:
    """Return the syntax tree of `code`, or None if it is not Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def function_names(code: str | None) -> str | None:
    """Return the space-joined names of all functions defined in `code`, or None if it does not parse."""
    if code is None:
        return None
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return " ".join(_visit(tree))


def _visit(node: ast.AST) -> list[str]:
    names: list[str] = []
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            names.append(child.name)
        names += _visit(child)
    return names
