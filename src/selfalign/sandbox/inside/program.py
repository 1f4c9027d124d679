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

import atexit
import contextlib
import json
import linecache
import os
import random
import resource
import signal
import sys
import threading
import traceback
import types

from kernel import become_dumpable, write_to  # pyright: ignore[reportMissingImports]

FILE = "<program>"


def attend(run):
    """Run the program; wait, at a place on the stack that is only reached after its end."""
    run()
    while True:
        signal.pause()


def execute(job, code_of, control):
    """Run the program to its end. Never returns otherwise: every failure raises."""
    try:
        exec(code_of(job), main_module().__dict__)
    except BaseException as error:
        report(error, control)
        raise
    threading._shutdown()  # pyright: ignore[reportAttributeAccessIssue]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    with contextlib.suppress(OSError):
        os.write(control, b"{}\n")


def without_lines(function):
    """Return `function` with code that has no line numbers: nothing for a trace function to jump to."""
    function.__code__ = function.__code__.replace(co_linetable=b"")
    return function


attend, execute = without_lines(attend), without_lines(execute)


class CompileError(Exception):
    """The program is no Python."""


def compiled(job):
    """Return the program's code."""
    source = job["source"]
    lines = source.splitlines(keepends=True)
    linecache.cache[FILE] = (len(source), None, lines, FILE)
    try:
        return compile(source, FILE, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError) as error:
        raise CompileError from error


def main_module():
    """Return a new, empty ``__main__``."""
    module = types.ModuleType("__main__")
    vars(module)["__builtins__"] = __builtins__
    sys.modules["__main__"] = module
    return module


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
        threading._shutdown()  # pyright: ignore[reportAttributeAccessIssue]
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status & 0xFF)


def become_program(job, files, close):
    """Turn the forked process into the program's: descriptors, limits, standing with the kernel."""
    for target, source in enumerate(files):
        os.dup2(source, target)
    os.closerange(len(files), close)
    os.setsid()
    become_dumpable()
    with contextlib.suppress(OSError):
        write_to("/proc/self/oom_score_adj", b"1000")
    limits = job["limits"]
    mebi = 1 << 20
    lower(resource.RLIMIT_AS, limits["memory_mb"] * mebi)
    lower(resource.RLIMIT_NPROC, limits["processes"] + 1)  # the zygote counts
    lower(resource.RLIMIT_FSIZE, limits["file_mb"] * mebi)
    lower(resource.RLIMIT_NOFILE, limits["open_files"])
    lower(resource.RLIMIT_CORE, 0)
    whole = max(1, int(-(-limits["cpu_s"] // 1)))
    lower(resource.RLIMIT_CPU, whole, whole + 1)
    random.seed(0)
    sys.argv = ["program.py"]


def lower(which, soft, hard=None):
    """Set a limit, or leave the one there is if that is lower."""
    _, most = resource.getrlimit(which)
    hard = soft if hard is None else hard
    if most != resource.RLIM_INFINITY:
        soft, hard = min(soft, most), min(hard, most)
    resource.setrlimit(which, (soft, hard))
