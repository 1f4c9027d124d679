"""The Python code of a response: implementation, tests, and the functions that it defines."""

from __future__ import annotations

import ast
import warnings
from dataclasses import dataclass

from selfalign.core.code_blocks import iter_blocks
from selfalign.curate.sections import CODE_LAYOUT, parse_sections

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


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


def _names_below(node: ast.AST) -> list[str]:
    names: list[str] = []
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            names.append(child.name)
        names += _names_below(child)
    return names
