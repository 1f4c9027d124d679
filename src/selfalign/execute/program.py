"""The program of a response (reference, section 3)."""

from __future__ import annotations

import ast
import re
import warnings

from selfalign.core.errors import ConfigError

# A fence at the start of a line opens a Python block; the next fence at the start of a line closes it.
BLOCK = re.compile(r"^```python\n(.*?)^```", flags=re.DOTALL | re.MULTILINE)

SCOPES = ("function", "module")

# Modules that the reference's globals make visible to every program, as its outputs show.
REFERENCE_GLOBALS = ("re", "sys")


def extract_program(response: str) -> str | None:
    """Return the Python blocks of a response that parse, joined by newlines; None if it has no block at all.

    Args:
        response: text of the response.
    """
    blocks = [match.group(1) for match in BLOCK.finditer(response)]
    if not blocks:
        return None
    return "\n".join(block for block in blocks if parses(block))


def wrap_scope(program: str, scope: str) -> str:
    """Return the source to run so that the program's top-level names have the given scope.

    The reference executes a program inside a function: names that its top level defines or imports are local there,
    and the program's own functions do not see them (a recursive function, or one that uses a module imported above it,
    fails with NameError).

    Args:
        program: Python source.
        scope: ``function`` reproduces the reference; ``module`` follows Python's ordinary rules.

    Raises:
        ConfigError: `scope` is unknown.
    """
    if scope not in SCOPES:
        raise ConfigError(f"configuration: 'execution.scope' is {scope!r}; allowed: {', '.join(SCOPES)}")
    if scope == "module":
        return program
    names = ", ".join(f"{name!r}: __import__({name!r})" for name in REFERENCE_GLOBALS)
    return f"exec({program!r}, {{'__name__': '__main__', {names}}}, {{}})\n"


def parses(code: str) -> bool:
    """Return whether `code` is valid Python.

    Args:
        code: source text.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
