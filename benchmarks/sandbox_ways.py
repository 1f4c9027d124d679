"""Baselines of the sandbox benchmark, each in an interpreter of its own.

    python benchmarks/sandbox_ways.py reference|pool|fork COUNT

- reference: what the reference does, with the libraries that it has loaded and the functions of EvalPlus that it
  calls: a ``ProcessPoolExecutor`` whose workers start a ``multiprocessing.Process`` per program, in chunks of the
  number of cores, each chunk waiting for its slowest; the process makes a temporary directory, limits its memory to
  1 GiB and its time to 4 s, takes functions away from the program and swallows its output; after ten seconds it is
  given up.
- pool: the same without all that: a lean interpreter, and a process that only executes the program.
- fork: the interpreter forks, compiles, executes and waits, one program at a time on every core; nothing is
  isolated, limited, captured or judged. No way that forks Python per program can be expected to be much faster.

Each says when it has loaded what it needs, and begins when it reads a line.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

PROGRAM = """
def merge(a, b):
    out = []
    while a and b:
        out.append((a if a[0] <= b[0] else b).pop(0))
    return out + a + b

assert merge([1, 4], [2, 3]) == [1, 2, 3, 4]
assert merge([], [1]) == [1]
"""
# Modules that the reference's filter imports, directly or indirectly.
LOADED = ("evalplus.eval.utils", "fire", "openai", "tenacity", "tiktoken", "tqdm.auto")
CORES = os.cpu_count() or 1
FORK = multiprocessing.get_context("fork")


def executed(source: str) -> None:
    exec(compile(source, "<program>", "exec"), {"__name__": "__main__"})


def guarded(source: str) -> None:
    import shutil

    from evalplus.eval.utils import create_tempdir, reliability_guard, swallow_io, time_limit

    with create_tempdir():
        kept = shutil.rmtree, os.rmdir, os.chdir, os.getcwd  # to remove the directory with
        reliability_guard(maximum_memory_bytes=1 << 30)
        with swallow_io(), time_limit(4):
            executed(source)
        shutil.rmtree, os.rmdir, os.chdir, os.getcwd = kept


def in_a_process(work: tuple[Callable[[str], None], str]) -> int | None:
    process = FORK.Process(target=work[0], args=work[1:])
    process.start()
    process.join(10)
    return process.exitcode


def pool(count: int, way: Callable[[str], None]) -> int:
    done = 0
    with ProcessPoolExecutor(CORES, mp_context=FORK) as workers:
        while done < count:
            done += sum(code == 0 for code in workers.map(in_a_process, [(way, PROGRAM)] * CORES))
    return done


def fork_many(count: int) -> None:
    for _ in range(count):
        pid = os.fork()
        if pid == 0:
            executed(PROGRAM)
            os._exit(0)
        if os.waitpid(pid, 0)[1]:
            raise SystemExit("a program failed")


def fork(count: int) -> int:
    workers = [FORK.Process(target=fork_many, args=(count // CORES,)) for _ in range(CORES)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(count // CORES for worker in workers if worker.exitcode == 0)


def main() -> None:
    way, count = sys.argv[1], int(sys.argv[2])
    if way == "reference":
        for name in LOADED:
            importlib.import_module(name)
    # Signals that it is ready, so that loading is not measured.
    executed(PROGRAM)  # the compiler sets itself up at its first use, and would in every fork
    print("ready", flush=True)
    sys.stdin.readline()
    done = fork(count) if way == "fork" else pool(count, guarded if way == "reference" else executed)
    if done < count:
        raise SystemExit(f"{count - done} of {count} programs failed")


if __name__ == "__main__":
    main()
