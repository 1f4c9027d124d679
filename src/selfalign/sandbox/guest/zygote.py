"""The first process of a slot: an interpreter with its modules loaded, which forks once per program.

This file prepares it; then `serve` reads jobs from standard input and writes verdicts to standard output, each a line
of JSON. The zygote is started inside the sandbox with this directory as the first entry of the module path, which it
removes. Its one argument is a JSON object:

- ``uid``: user to become if it is root, or null;
- ``filter``: the system call filter, hexadecimal;
- ``writable``: directories where programs can write; the first is the working directory;
- ``warm``: pieces of Python to run beforehand.
"""

# Plain os functions, not pathlib, which is not loaded in a slot.
# ruff: noqa: PTH100, PTH120, PTH123, PTH208

import contextlib
import gc
import io
import json
import linecache
import os
import random
import signal
import site
import sys
import traceback
import types

from kernel import (
    PR_SET_DUMPABLE,
    PR_SET_NO_NEW_PRIVS,
    become_user,
    install_filter,
    limit_kernel_objects,
    prctl,
)

# The other modules of this directory, each after those that it imports.
MODULES = ("kernel", "processes", "completion", "assertions", "program", "run", "fork_loop", "judge", "serve")

FAILING = """\
class A:
    def f(self, *a, **k):
        return [x for x in a if x]

assert A().f(1)[0] + 1 == 3, "no"
"""


def reset_signals():
    """Handle signals as an interpreter does that is started from a terminal, whatever started the build.

    Started by `nohup`, or in the background of a shell script, it would ignore some, and so would every program.
    """
    # SIGKILL and SIGSTOP cannot be changed; SIGPIPE and SIGXFSZ are ignored by Python itself.
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGPIPE, signal.SIGXFSZ}:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def as_if_with_site():
    """Add what a start with `site` adds: built-in functions, and the packages where PYTHONPATH names none.

    It would also run what packages install for every start, which loads libraries that every fork would copy.
    """
    if "PYTHONPATH" not in os.environ:
        sys.path += site.getsitepackages()
    site.setquit()
    site.setcopyright()
    site.sethelper()


def warm(pieces):
    """Load what programs commonly need: modules, the compiler, and what prints a traceback.

    Args:
        pieces: Python to run, such as imports; a piece that fails is ignored.
    """
    for piece in pieces:
        with contextlib.suppress(Exception):
            exec(piece, {"__name__": "warm"})
    try:
        exec(compile(FAILING, "<warm>", "exec"), {"__name__": "warm"})
    except AssertionError as error:
        # With the lines of the source, `traceback` imports `ast`, which takes longer than ten programs.
        lines = FAILING.splitlines(keepends=True)
        linecache.cache["<warm>"] = (len(FAILING), None, lines, "<warm>")  # pyright: ignore[reportArgumentType]
        traceback.print_exception(error, file=io.StringIO())
        del linecache.cache["<warm>"]


def load(texts):
    """Load the other modules of this directory, and return that which serves programs.

    This is done after the warm-up, so that what they use lies together, on few pages of memory (see fork_loop.py). Programs
    are not to find them loaded.

    Args:
        texts: of the files by name, as `guest` returns them.
    """
    for name in MODULES:
        module = sys.modules[name] = types.ModuleType(name)
        exec(compile(texts[f"{name}.py"], f"{name}.py", "exec"), vars(module))
    modules = [sys.modules.pop(name) for name in MODULES]
    return modules[-1]


def guest():
    """Return the texts of this directory's files by name, which the supervisor compares with its own."""
    home = os.path.dirname(os.path.abspath(__file__))
    texts = {}
    for name in sorted(os.listdir(home)):
        if name.endswith(".py"):
            with open(f"{home}/{name}", encoding="utf-8") as handle:
                texts[name] = handle.read()
    return texts


def facts():
    """Return the privileges of this process, for the self-test and for messages."""
    status = {}
    with open("/proc/self/status") as handle:
        for line in handle:
            name, _, value = line.partition(":")
            status[name] = value.strip()
    return {
        "python": sys.version.split()[0],
        "pid": os.getpid(),
        "uid": os.getuid(),
        "capabilities": status["CapEff"],
        "no_new_privileges": status["NoNewPrivs"],
        "seccomp": status["Seccomp"],
    }


def main():
    """Prepare, and serve programs until the supervisor goes away."""
    settings = json.loads(sys.argv[1])
    # It made the linker resolve all functions at the start, instead of at their first call and in every fork anew.
    os.environ.pop("LD_BIND_NOW", None)
    reset_signals()
    incoming, outgoing = (os.dup(0), os.dup(1))
    null = os.open("/dev/null", os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.umask(0o022)
    # Read while this user can: the next may not.
    texts = guest()
    sys.path.pop(0)
    del sys.modules["kernel"]
    if settings["uid"] is not None and os.getuid() == 0:
        become_user(settings["uid"])
    os.chdir(settings["writable"][0])
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    prctl(PR_SET_DUMPABLE, 0)
    as_if_with_site()
    warm(settings["warm"])
    # As if the program were a file in the working directory: modules that it writes there can be imported.
    sys.path.insert(0, settings["writable"][0])
    limit_kernel_objects()
    if settings["filter"]:
        install_filter(bytes.fromhex(settings["filter"]))
    greeting = {"ready": True, "guest": texts, **facts()}
    # As every program is to find it.
    random.seed(0)
    sys.argv = ["program.py"]
    gc.collect()
    served = load(texts)
    gc.freeze()
    served.serve(incoming, outgoing, settings["writable"], greeting)


if __name__ == "__main__":
    main()
