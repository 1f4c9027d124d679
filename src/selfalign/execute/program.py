"""The program of a response (reference, section 3)."""

from __future__ import annotations

import ast
import re
import warnings
from dataclasses import dataclass

# A fence at the start of a line opens a Python block; the next fence at the start of a line closes it.
BLOCK = re.compile(r"^```python\n(.*?)^```", flags=re.DOTALL | re.MULTILINE)
# A line that says "tests" and nothing else: [Tests], ### Tests, **Unit tests:**
TESTS_HEADING = re.compile(r"^[\W_]*(unit[ -]?)?tests?[\W_]*$", flags=re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class ResponseProgram:
    """The Python blocks of a response as one program.

    Attributes:
        source: the blocks, joined by newlines.
        tests_line: number of the first line of the blocks below the heading of the tests; 1 if there is no such
            heading, or no block before it.
    """

    source: str
    tests_line: int


def response_program(response: str) -> ResponseProgram | None:
    """Return the program of a response; None if the response has no Python block.

    Args:
        response: text of the response.
    """
    source, tests_line, end = "", 1, 0
    for match in BLOCK.finditer(response):
        if tests_line == 1 and source and TESTS_HEADING.search(response, end, match.start()):
            tests_line = source.count("\n") + 2
        source += ("\n" if end else "") + match.group(1)
        end = match.end()
    return ResponseProgram(source, tests_line) if end else None


def reference_program(response: str) -> str | None:
    """Return the program that the reference runs: the Python blocks that parse. None if the response has no block.

    Args:
        response: text of the response.
    """
    blocks = [match.group(1) for match in BLOCK.finditer(response)]
    if not blocks:
        return None
    return "\n".join(block for block in blocks if parses(block))


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
