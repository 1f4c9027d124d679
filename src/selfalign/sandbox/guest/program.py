"""A program: its code, and what happens in its own process (how its end is recognized: see completion.py)."""

# Written to touch few pages of memory after the fork (see fork_loop.py).
# ruff: noqa: SIM105

import atexit
import json
import linecache
import os
import signal
import sys
import traceback
import types
import warnings
from os import closerange, dup2, setsid

from kernel import become_dumpable, set_interrupt_handler, set_limits  # pyright: ignore[reportMissingImports]

FILE = "<program>"
# Characters of a program that is compiled before the fork: a longer one can take long, and much memory.
MOST_AHEAD = 1 << 16
# Written to the control pipe by a program that has come to its end; the parent then looks where the process waits.
ANNOUNCEMENT = b"{}\n"


class CompileError(Exception):
    """The program is not valid Python."""


def compiled(source):
    """Return the code of a program.

    Args:
        source: its text.

    Raises:
        CompileError: it is not valid Python, or too large for the compiler.
    """
    try:
        return compile(source, FILE, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError) as error:
        raise CompileError from error


def compiled_ahead(sources, during, after):
    """Return the code of programs before their forks, None for those that their own processes are to compile.

    After the fork the compiler would touch a hundred pages of memory, a third of what a short program costs. Whatever
    goes wrong here, a warning included, is the program's to report, and so is left to its process.

    Args:
        sources: texts; None for one that is not to be compiled here.
        during: resource limits to compile with (see `kernel.limits_to_set`).
        after: resource limits to set afterwards.
    """
    set_limits(during)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return [code_or_none(source) for source in sources]
    finally:
        set_limits(after)


def code_or_none(source):
    """Return the code of a program, None if its own process is to compile it.

    Args:
        source: its text; None if it is not to be compiled here.
    """
    if source is None or len(source) > MOST_AHEAD:
        return None
    try:
        return compiled(source)
    except (CompileError, MemoryError):
        return None


def lines_of(source):
    """Return the lines of a program as `linecache` keeps them, for tracebacks and `inspect`.

    Args:
        source: its text.
    """
    return len(source), None, source.splitlines(keepends=True), FILE


def attend(program, pause=signal.pause):
    """Call the program; wait at a place on the stack that is only reached after its end.

    Args:
        program: callable, `execute` with its arguments.
        pause: waits for a signal.
    """
    program()
    while True:
        pause()


def execute(code, source, main, control):
    """Run the program to its end. Return only then: every failure raises.

    Args:
        code: the program's code, None to compile it here.
        source: its text.
        main: name space of its module.
        control: file descriptor to report to.
    """
    try:
        exec(code or compiled(source), main)
    except BaseException as error:
        report(error, control)
        raise
    finish()
    try:
        os.write(control, ANNOUNCEMENT)
    except OSError:
        pass


def finish():
    """Do what the interpreter does at its end: wait for threads, run exit functions, flush the standard streams."""
    join_threads()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass


def join_threads():
    """Wait for the threads of `threading`, if the program has imported it."""
    threading = sys.modules.get("threading")
    if threading is not None:
        threading._shutdown()


def without_lines(function):
    """Return `function` with code that has no line numbers, so that a trace function can jump nowhere in it."""
    function.__code__ = function.__code__.replace(co_linetable=b"")
    return function


attend, execute, finish, join_threads = map(without_lines, (attend, execute, finish, join_threads))


def main_module():
    """Replace ``__main__`` by a new, empty module; return its name space."""
    module = sys.modules["__main__"] = types.ModuleType("__main__")
    space = vars(module)
    space["__builtins__"] = __builtins__
    return space


def set_lines(lines):
    """Let tracebacks and `inspect` find the lines of the program.

    Args:
        lines: as `lines_of` returns them.
    """
    linecache.cache[FILE] = lines


def report(error, control):
    """Report how the program failed, and end the process. What is reported here can only be a failure.

    Args:
        error: what the program raised.
        control: file descriptor to report to.
    """
    message = {"error": type(error).__name__}
    status = 1
    if isinstance(error, CompileError):
        error = (error.__cause__ or error).with_traceback(None)
        message = {"kind": "syntax", "error": type(error).__name__}
    elif isinstance(error, SystemExit):
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
        message = {"kind": "exit", "error": "SystemExit"}
    elif isinstance(error, MemoryError):
        message["kind"] = "memory"
    elif isinstance(error, AssertionError):
        message["kind"] = "assertion"
    else:
        message["kind"] = "exception"
    try:
        os.write(control, json.dumps({**message, "status": status & 0xFF}).encode() + b"\n")
        if isinstance(error, SystemExit):
            if status and not isinstance(error.code, int):
                print(error.code, file=sys.stderr)
        else:
            inner = error.__traceback__.tb_next if error.__traceback__ else None
            traceback.print_exception(error.with_traceback(inner))
        join_threads()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status & 0xFF)


def become_program(files, descriptors, limits, interrupt):
    """Turn the forked process into the program's: file descriptors, session, resource limits.

    Args:
        files: file descriptors to become 0, 1, 2 and 3.
        descriptors: those below this number are closed, except the four.
        limits: resource limits (see `kernel.limits_to_set`).
        interrupt: handler of SIGINT (see `kernel.ignore_interrupts`).
    """
    set_interrupt_handler(interrupt)
    for target, source in enumerate(files):
        dup2(source, target)
    closerange(len(files), descriptors)
    setsid()
    become_dumpable()
    set_limits(limits)
