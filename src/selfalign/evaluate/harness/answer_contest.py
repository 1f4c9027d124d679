"""Run a LiveCodeBench solution on its inputs, through standard input or by a call. Runs inside the sandbox of answers.

As in the benchmark, common modules are imported in advance. The outputs are compared elsewhere (``judge_contest``). The
results are one for the definition of the solution, then one for each input; the first exception is the last result.
"""

import atexit
import contextlib
import io
import json
import os
import sys
import threading

from selfalign.evaluate.harness import values
from selfalign.evaluate.harness.common import Results, cpu_time_limit

STAR_IMPORTS = """
string re datetime collections heapq bisect copy math random statistics
itertools functools operator io sys json builtins typing
""".split()  # noqa: SIM905 - shorter than a list of strings
# The limits of the benchmark's own harness.
RECURSION_LIMIT = 50_000
INTEGER_DIGITS = 50_000
PIPE_BYTES = 1 << 16


def main():
    """Run the solution given on standard input; report its outputs."""
    job = json.loads(sys.stdin.read())
    results = Results()
    sys.setrecursionlimit(RECURSION_LIMIT)
    sys.set_int_max_str_digits(INTEGER_DIGITS)
    try:
        code = compile(job["code"], "answer", "exec")
        call = entry(code, job["function"]) if job["function"] else None
        results.value("null")
        for given in job["inputs"]:
            with cpu_time_limit(job["limit"]):
                found = output_of_call(call, given) if call else output_of_program(code, given)
            results.value(values.dumps(found))
    except BaseException as error:
        results.error(error)
    results.end()


def namespace(name):
    """Return the globals that a solution runs in.

    Args:
        name: value of ``__name__``.
    """
    names: dict = {"__name__": name}
    exec("\n".join(f"from {module} import *\nimport {module}" for module in STAR_IMPORTS), names)
    return names


def entry(code, function):
    """Return the function under test: a method of ``Solution``, or a function.

    Args:
        code: compiled solution.
        function: name of the function.
    """
    names = namespace("answer")
    with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO(), encoding="utf-8")):
        exec(code, names)
        return getattr(names["Solution"](), function) if "Solution" in names else names[function]


def output_of_call(call, given):
    """Return what a call returns.

    Args:
        call: the function under test.
        given: one JSON argument per line.
    """
    arguments = [json.loads(line) for line in given.split("\n")]
    with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO(), encoding="utf-8")):
        return call(*arguments)


def output_of_program(code, given):
    """Return what the program writes to standard output.

    Args:
        code: compiled solution.
        given: the standard input.
    """
    with standard_streams(given.encode()) as written:
        with contextlib.suppress(SystemExit):
            exec(code, namespace("__main__"))
        atexit._run_exitfuncs()  # some solutions write their output there
    return written.decode("utf-8", "replace")


@contextlib.contextmanager
def standard_streams(given):
    """Let file descriptors 0 and 1, and the files of `sys`, be an input and an output, as when a program is started.

    Args:
        given: bytes to read from standard input.

    Yields:
        a bytearray, which has what was written to standard output after the block.
    """
    before = sys.stdin, sys.stdout
    saved = os.dup(0), os.dup(1)
    written = bytearray()
    (source, feed), (drain, target) = os.pipe(), os.pipe()
    for pipe, descriptor in ((source, 0), (target, 1)):
        os.dup2(pipe, descriptor)
        os.close(pipe)
    threads = [
        threading.Thread(target=write_all, args=(feed, given), daemon=True),
        threading.Thread(target=read_all, args=(drain, written), daemon=True),
    ]
    for thread in threads:
        thread.start()
    stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdin, sys.stdout = stdin, stdout
    try:
        yield written
    finally:
        for stream in (sys.stdout, stdout, sys.__stdout__):
            with contextlib.suppress(Exception):
                stream.flush()  # pyright: ignore[reportOptionalMemberAccess]
        sys.stdin, sys.stdout = before
        for descriptor, original in enumerate(saved):
            os.dup2(original, descriptor)
            os.close(original)
        for thread in threads:
            thread.join()


def write_all(descriptor, data):
    """Write bytes to a pipe, until its reader goes away, and close it.

    Args:
        descriptor: of the pipe.
        data: the bytes.
    """
    view = memoryview(data)
    with contextlib.suppress(OSError):
        while view:
            view = view[os.write(descriptor, view[:PIPE_BYTES]) :]
    os.close(descriptor)


def read_all(descriptor, data):
    """Read from a pipe until its end, and close it.

    Args:
        descriptor: of the pipe.
        data: bytearray to add to.
    """
    while piece := os.read(descriptor, PIPE_BYTES):
        data += piece
    os.close(descriptor)
