"""From a program's text to its code."""

import linecache
import warnings

from kernel import set_limits  # pyright: ignore[reportMissingImports]

FILE = "<program>"
# What is longer can take the compiler long, and much memory.
MOST_AHEAD = 1 << 16


class CompileError(Exception):
    """The program is no Python."""


def compiled(source):
    """Return the program's code."""
    try:
        return compile(source, FILE, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError) as error:
        raise CompileError from error


def compiled_ahead(source, tight, free):
    """Return the program's code from before the fork, or None where its own process is to compile it.

    After a fork, the compiler would copy a hundred pages of memory: a third of what a short program costs. Whatever
    goes wrong, a warning included, is the program's, and so is left to its process.

    Args:
        tight: limits to compile in, for a few lines of Python can become gigabytes of code; and `free`, those after it.
    """
    if len(source) > MOST_AHEAD:
        return None
    set_limits(tight)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return compiled(source)
    except (CompileError, MemoryError):
        return None
    finally:
        set_limits(free)


def remember(source):
    """Let tracebacks and `inspect` find the lines of the program."""
    linecache.cache[FILE] = (len(source), None, source.splitlines(keepends=True), FILE)
