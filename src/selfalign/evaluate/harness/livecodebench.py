"""Run a LiveCodeBench solution on its test cases, through standard input or by a call. Runs inside the sandbox.

The rules are the benchmark's: outputs are compared line by line, stripped, as text or as decimal numbers; the result
of a call is compared with the expected value, a tuple counting as a list; common modules are imported in advance.
"""

import atexit
import contextlib
import io
import json
import os
import sys
import threading
from decimal import Decimal, InvalidOperation

from selfalign.evaluate.harness.common import cpu_time_limit, fail

STAR_IMPORTS = """
string re datetime collections heapq bisect copy math random statistics
itertools functools operator io sys json builtins typing
""".split()  # noqa: SIM905 - shorter than a list of strings
# The limits of the benchmark's own harness.
RECURSION_LIMIT = 50_000
INTEGER_DIGITS = 50_000
PIPE_BYTES = 1 << 16


def main():
    """Check the solution given on standard input; raise if it is wrong."""
    job = json.loads(sys.stdin.read())
    sys.setrecursionlimit(RECURSION_LIMIT)
    sys.set_int_max_str_digits(INTEGER_DIGITS)
    place = None
    try:
        code = compile(job["code"], "answer", "exec")
        call = entry(code, job["function"]) if job["function"] else None
        for number, case in enumerate(job["cases"]):
            place = number
            with cpu_time_limit(job["limit"]):
                right = check_call(call, case) if call else check_program(code, case)
            if not right:
                break
        else:
            return
    except BaseException as error:
        fail(type(error).__name__, place)
    fail("wrong answer", place)


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


def check_call(call, case):
    """Return whether a call returns the expected value.

    Args:
        call: the function under test.
        case: test case; its input has one JSON argument per line.
    """
    arguments = [json.loads(line) for line in case["input"].split("\n")]
    with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO(), encoding="utf-8")):
        found = call(*arguments)
    return (list(found) if isinstance(found, tuple) else found) == json.loads(case["output"])


def check_program(code, case):
    """Return whether the program writes the expected output.

    Args:
        code: compiled solution.
        case: test case; its input is the standard input.
    """
    found, expected = lines(output_of_program(code, case["input"])), lines(case["output"])
    return len(found) == len(expected) and all(map(same, found, expected))


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


def lines(text):
    """Return the stripped lines of an output.

    Args:
        text: output of a program.
    """
    return [line.strip() for line in text.strip().split("\n")]


def same(found, expected):
    """Return whether two lines are equal as text or as decimal numbers.

    Args:
        found: line of the output.
        expected: line of the expected output.
    """
    if found == expected:
        return True
    try:
        return [Decimal(word) for word in found.split()] == [Decimal(word) for word in expected.split()]
    except InvalidOperation:
        return False
