"""The first process of a slot: a warm interpreter that forks once per program.

Here it gets ready; `serve` is what it does then: read jobs from standard input and write verdicts to standard
output, each a line of JSON. It is started inside the sandbox with this directory as the first entry of the module
path, which it then removes. Its one argument is a JSON object: ``uid`` to become as root, ``filter`` (system calls;
hexadecimal), ``writable`` directories, the first of which is the working directory, and ``warm``: pieces of Python
to run beforehand.
"""

# ruff: noqa: PTH100, PTH120, PTH123, PTH208

import contextlib
import gc
import json
import marshal
import os
import random
import site
import sys
import types

from kernel import (  # pyright: ignore[reportMissingImports]
    PR_SET_DUMPABLE,
    PR_SET_NO_NEW_PRIVS,
    become_user,
    install_filter,
    prctl,
)

# What runs for every program, each after those that it imports.
OURS = ("kernel", "processes", "source", "program", "watch", "judge", "serve")


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
    """Run what programs commonly need, such as imports, and exercise the compiler."""
    for piece in pieces:
        with contextlib.suppress(Exception):
            exec(piece, {"__name__": "warm"})
    compile(
        "class A:\n  def f(self, *a, **k):\n    return [x for x in a if x]\nassert A().f(1)", "warm", "exec"
    )


def inside():
    """Return the texts of this directory by name: the supervisor's are to be the same."""
    home = os.path.dirname(os.path.abspath(__file__))
    texts = {}
    for name in sorted(os.listdir(home)):
        if name.endswith(".py"):
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
    """Execute our modules; return what serves. `codes` are marshalled, by name.

    What is used for every program then lies together in memory, in pages that the warm modules have filled up before:
    fewer pages to copy after a fork than where the compiler leaves its results among its own litter.
    """
    for name in OURS:
        sys.modules[name] = types.ModuleType(name)
        exec(marshal.loads(codes[name]), vars(sys.modules[name]))
    modules = [sys.modules.pop(name) for name in OURS]
    return modules[-1].serve


def main():
    """Get ready, and serve programs until the supervisor goes away."""
    settings = json.loads(sys.argv[1])
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
