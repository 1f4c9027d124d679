"""The first process of a slot: a warm interpreter that forks once per program.

Here it gets ready; `serve` is what it does then: read jobs from standard input and write verdicts to standard
output, each a line of JSON. It is started inside the sandbox with this directory as the first entry of the module
path, which it then removes. Its one argument is a JSON object: ``uid`` to become as root, ``filter`` (system calls;
hexadecimal), ``writable`` directories, the first of which is the working directory, ``warm``: pieces of Python
to run beforehand, and ``library``: what turn.c and pages.c are compiled to (hexadecimal), empty
if they are not.

With the library it begins again, for the library says where memory is allocated and has to be there before Python is.
"""

# ruff: noqa: PTH100, PTH120, PTH123, PTH208

import contextlib
import gc
import io
import json
import linecache
import marshal
import os
import random
import site
import sys
import traceback
import types

from kernel import (  # pyright: ignore[reportMissingImports]
    PR_SET_DUMPABLE,
    PR_SET_NO_NEW_PRIVS,
    become_user,
    install_filter,
    prctl,
)

# What runs for every program, each after those that it imports.
OURS = ("kernel", "processes", "source", "program", "turn", "watch", "judge", "serve")

FAILING = """\
class A:
    def f(self, *a, **k):
        return [x for x in a if x]

assert A().f(1)[0] + 1 == 3, "no"
"""


def as_if_with_site():
    """Add what a start with `site` would have added: built-in functions, and the packages where none are named.

    It would also have run what packages ask for at every start: libraries and memory that every fork would copy.
    """
    if "PYTHONPATH" not in os.environ:
        sys.path += site.getsitepackages()
    site.setquit()
    site.setcopyright()
    site.sethelper()


def warm(pieces):
    """Run what programs commonly need, such as imports; exercise the compiler, and what shows how a program failed."""
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


def inside():
    """Return the texts of this directory by name: the supervisor's are to be the same."""
    home = os.path.dirname(os.path.abspath(__file__))
    texts = {}
    for name in sorted(os.listdir(home)):
        if name.endswith((".py", ".c")):
            with open(f"{home}/{name}", encoding="utf-8") as handle:
                texts[name] = handle.read()
    return texts


def facts():
    """Return what the supervisor may want to check about the slot."""
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


def load_closely(codes):
    """Execute our modules; return `serve.serve`. `codes` are marshalled, by name.

    What is used for every program then lies together in memory, in pages that the warm modules have filled up before:
    fewer pages to copy after a fork than where the compiler leaves its results among its own litter.
    """
    for name in OURS:
        sys.modules[name] = types.ModuleType(name)
        exec(marshal.loads(codes[name]), vars(sys.modules[name]))
    modules = {name: sys.modules.pop(name) for name in OURS}
    return modules["serve"].serve


def begin_again(library, settings):
    """Start the same interpreter with a library (its bytes) loaded before anything else."""
    memory = os.memfd_create("slot", 0)
    os.write(memory, library)
    arguments = [*sys.orig_argv[:-1], json.dumps({**settings, "loaded": memory})]
    os.execve(sys.executable, arguments, {**os.environ, "LD_PRELOAD": f"/proc/self/fd/{memory}"})


def main():
    """Get ready, and serve programs until the supervisor goes away."""
    settings = json.loads(sys.argv[1])
    library = bytes.fromhex(settings.pop("library", ""))
    if library:
        begin_again(library, settings)
    if "loaded" in settings:
        os.close(settings["loaded"])
        del os.environ["LD_PRELOAD"]
    # It made the linker find all functions at our start, not at their first call: in every fork anew.
    os.environ.pop("LD_BIND_NOW", None)
    incoming, outgoing = (os.dup(0), os.dup(1))
    null = os.open("/dev/null", os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.umask(0o022)
    texts = inside()
    codes = {name: marshal.dumps(compile(texts[f"{name}.py"], f"{name}.py", "exec")) for name in OURS}
    sys.path.pop(0)
    del sys.modules["kernel"]
    if settings["uid"] is not None and os.getuid() == 0:
        become_user(settings["uid"])
    os.chdir(settings["writable"][0])
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    prctl(PR_SET_DUMPABLE, 0)
    as_if_with_site()
    warm(settings["warm"])
    if settings["filter"]:
        install_filter(bytes.fromhex(settings["filter"]))
    greeting = {"ready": True, "inside": texts, **facts()}
    serve = load_closely(codes)
    # The forked processes have all of this.
    random.seed(0)
    sys.argv = ["program.py"]
    gc.collect()
    gc.freeze()
    serve(incoming, outgoing, settings["writable"], greeting)


if __name__ == "__main__":
    main()
