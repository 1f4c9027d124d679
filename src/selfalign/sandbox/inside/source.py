"""From a program's text to its code."""

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


def compiled_ahead(sources, tight, free):
    """Return the programs' codes from before the fork, None for those whose own processes are to compile them.

    After a fork, the compiler would copy a hundred pages of memory: a third of what a short program costs. Whatever
    goes wrong, a warning included, is the program's, and so is left to its process.

    Args:
        sources: texts; None for what is not to be compiled here.
        tight: limits to compile in, for a few lines of Python can become gigabytes of code; and `free`, those after it.
    """
    set_limits(tight)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return [code_or_none(source) for source in sources]
    finally:
        set_limits(free)


def code_or_none(source):
    """Return a program's code, None where its own process is to compile it."""
    if source is None or len(source) > MOST_AHEAD:
        return None
    try:
        return compiled(source)
    except (CompileError, MemoryError):
        return None


def lines_of(source):
    """Return the program's lines as `linecache` keeps them, for tracebacks and `inspect`."""
    return len(source), None, source.splitlines(keepends=True), FILE
