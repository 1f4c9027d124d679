"""The program's side of the fork.

How the end of a program is proved
    Whatever the forked process knows or can write, the program in it knows and can write too: tokens and
    exit statuses prove nothing. So the proof is where the process *is*. `attend` calls the program through C
    functions (`partial`, `exec`) and, when they have returned, waits in ``pause()``. The parent asks the kernel
    (``/proc/<pid>/syscall``) for the system call, the stack pointer and the program counter of the main thread: only
    after the stack has unwound to `attend` are they the ones that the parent saw for an empty program. Code of the
    program, however deep its introspection, runs under ``exec`` and so further down the stack. Every way out of
    the program but its end raises, and `execute` raises it again, so `attend` never comes to wait. `attend` and
    `execute` have no line numbers, so that a trace function cannot jump in them.
    Limit: native code that the program loads or writes into its own memory (ctypes) can put the stack where it
    likes, just as it could remove the tests. It still cannot reach anything outside its own process.
"""

# Written to touch little of the interpreter after the fork: every page that is touched is copied.
# ruff: noqa: SIM105

import atexit
import json
import linecache
import os
import signal
import sys
import traceback
import types
from os import closerange, dup2, setsid

from kernel import become_dumpable, set_limits  # pyright: ignore[reportMissingImports]
from source import FILE, CompileError, compiled  # pyright: ignore[reportMissingImports]


def attend(run, pause=signal.pause):
    """Run the program; wait, at a place on the stack that is only reached after its end."""
    run()
    while True:
        pause()


def execute(code, source, main, control):
    """Run the program to its end. Never returns otherwise: every failure raises."""
    try:
        exec(code or compiled(source), main)
    except BaseException as error:
        report(error, control)
        raise
    finish()
    try:
        os.write(control, b"{}\n")
    except OSError:
        pass


def finish():
    """Do what the interpreter does at its end: wait for threads, run exit functions, write out what is buffered."""
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
    """Return `function` with code that has no line numbers: nothing for a trace function to jump to."""
    function.__code__ = function.__code__.replace(co_linetable=b"")
    return function


attend, execute, finish, join_threads = map(without_lines, (attend, execute, finish, join_threads))


def main_module():
    """Put a new, empty ``__main__`` into its place; return its name space."""
    module = sys.modules["__main__"] = types.ModuleType("__main__")
    space = vars(module)
    space["__builtins__"] = __builtins__
    return space


def found_by(lines):
    """Let tracebacks and `inspect` find the lines of the program (see `source.lines_of`)."""
    linecache.cache[FILE] = lines


def report(error, control):
    """Say how the program failed, and end. What is said here can only ever be a failure."""
    said = {"error": type(error).__name__}
    status = 1
    if isinstance(error, CompileError):
        error = (error.__cause__ or error).with_traceback(None)
        said = {"kind": "syntax", "error": type(error).__name__}
    elif isinstance(error, SystemExit):
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
        said = {"kind": "exit", "error": "SystemExit"}
    elif isinstance(error, MemoryError):
        said["kind"] = "memory"
    elif isinstance(error, AssertionError):
        said["kind"] = "assertion"
    else:
        said["kind"] = "exception"
    try:
        os.write(control, json.dumps({**said, "status": status & 0xFF}).encode() + b"\n")
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


def become_program(files, close, limits):
    """Turn the forked process into the program's: descriptors, limits, standing with the kernel. See turn.c too."""
    for target, source in enumerate(files):
        dup2(source, target)
    closerange(len(files), close)
    setsid()
    become_dumpable()
    set_limits(zip(limits.which[: limits.count], limits.values, strict=False))
