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
from _ast import PyCF_ONLY_AST
from os import closerange, dup2, setsid

from assertions import instrument, observation, watch_doctest
from kernel import become_dumpable, restrict_writes, set_interrupt_handler, set_limits

FILE = "<program>"
# What programs that need their own file contain.
FILE_USERS = ("__file__", "argv", "concurrent", "multiprocessing", "runpy", "subprocess")
# Characters of a program that is compiled before the fork: a longer one can take long, and much memory.
MOST_AHEAD = 1 << 16
# Modules that the globals of the reference make visible to every program, as its outputs show.
REFERENCE_GLOBALS = ("re", "sys")
# Written to the control pipe by a program that has come to its end; the parent then looks where the process waits.
ANNOUNCEMENT = b"{}\n"


class CompileError(Exception):
    """The program is not valid Python."""


def compiled(source, tests_line):
    """Return the code of a program, and what is known of its tests (`assertions.Tests`).

    Args:
        source: its text.
        tests_line: see `selfalign.sandbox.types.Program`; None: its tests are not observed.

    Raises:
        CompileError: it is not valid Python, or too large for the compiler.
    """
    try:
        if tests_line is None:
            return compile(source, FILE, "exec", dont_inherit=True), None
        tree = compile(source, FILE, "exec", PyCF_ONLY_AST, dont_inherit=True)
        tests = instrument(tree, tests_line)
        return compile(tree, FILE, "exec", dont_inherit=True), tests  # pyright: ignore[reportArgumentType]
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError) as error:
        raise CompileError from error


def compiled_ahead(jobs, during, after):
    """Return the code of programs before their forks, None for those that their own processes are to compile.

    After the fork the compiler would touch a hundred pages of memory, a third of what a short program costs. Whatever
    goes wrong here, a warning included, is the program's to report, and so is left to its process.

    Args:
        jobs: the supervisor's messages.
        during: resource limits to compile with (see `kernel.limits_to_set`).
        after: resource limits to set afterwards.
    """
    set_limits(during)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return [compiled_or_none(job) for job in jobs]
    finally:
        set_limits(after)


def compiled_or_none(job):
    """Return what `compiled` returns, None if the program's own process is to compile it.

    Args:
        job: the supervisor's message.
    """
    if job["apart"] or len(job["source"]) > MOST_AHEAD:
        return None
    try:
        return compiled(job["source"], job["tests_line"])
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


def execute(ahead, job, spaces, control):
    """Run the program to its end. Return only then: every failure raises.

    Args:
        ahead: what `compiled` returned for the program, None to compile it here.
        job: the supervisor's message.
        spaces: the program's globals and, where they are others, its locals.
        control: file descriptor to report to.
    """
    tests = None
    try:
        code, tests = ahead or compiled(job["source"], job["tests_line"])
        if tests is not None and tests.has_doctest:
            watch_doctest()
        exec(code, *spaces)
    except BaseException as error:
        report(error, control)
        raise
    finish()
    message = ANNOUNCEMENT if tests is None else observation(tests) + ANNOUNCEMENT
    try:
        os.write(control, message)
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


def name_spaces(main, scope):
    """Return the arguments of `exec` after the code.

    Args:
        main: name space of the module ``__main__``.
        scope: of the program's top-level names; see `selfalign.sandbox.types.Program`.
    """
    if scope == "module":
        return (main,)
    modules = {name: sys.modules.get(name) or __import__(name) for name in REFERENCE_GLOBALS}
    return {"__name__": "__main__", "__builtins__": __builtins__, **modules}, {}


def main_module(path):
    """Replace ``__main__`` by a new, empty module; return its name space.

    Args:
        path: its ``__file__``.
    """
    module = sys.modules["__main__"] = types.ModuleType("__main__")
    space = vars(module)
    space["__builtins__"] = __builtins__
    space["__file__"] = path
    return space


def needs_file(source):
    """Whether a program may look for its own file: to run or import itself, or to read itself.

    Writing the file takes a fiftieth of the time of a short program, so others have none.

    Args:
        source: text of the program.
    """
    return any(word in source for word in FILE_USERS)


def set_lines(lines, path):
    """Let tracebacks and `inspect` find the lines of the program.

    Args:
        lines: as `lines_of` returns them.
        path: the program's ``__file__``, where `inspect` looks for the lines of a class.
    """
    linecache.cache[FILE] = linecache.cache[path] = lines


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


def become_program(files, descriptors, limits, interrupt, rules):
    """Turn the forked process into the program's: file descriptors, session, resource limits.

    Args:
        files: file descriptors to become 0, 1, 2 and 3.
        descriptors: those below this number are closed, except the four.
        limits: resource limits (see `kernel.limits_to_set`).
        interrupt: handler of SIGINT (see `kernel.ignore_interrupts`).
        rules: where it can write (see `kernel.write_rules`).
    """
    set_interrupt_handler(interrupt)
    restrict_writes(rules)
    for target, source in enumerate(files):
        dup2(source, target)
    closerange(len(files), descriptors)
    setsid()
    become_dumpable()
    set_limits(limits)
