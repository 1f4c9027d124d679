"""Run a LiveCodeBench solution on its test cases, through standard input or by a call. Runs inside the sandbox.

The rules are the benchmark's: outputs are compared line by line, stripped, as text or as decimal numbers; the result
of a call is compared with the expected value, a tuple counting as a list; common modules are imported in advance.
"""

import contextlib
import io
import json
import sys
from decimal import Decimal, InvalidOperation

from selfalign.evaluate.harness.common import cpu_time_limit, fail

STAR_IMPORTS = """
string re datetime collections heapq bisect copy math random statistics
itertools functools operator io sys json builtins typing
""".split()  # noqa: SIM905 - shorter than a list of strings
RECURSION_LIMIT = 50_000


def main():
    """Check the solution given on standard input; raise if it is wrong."""
    job = json.loads(sys.stdin.read())
    sys.setrecursionlimit(RECURSION_LIMIT)
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
    with contextlib.redirect_stdout(io.StringIO()):
        exec(code, names)
        return getattr(names["Solution"](), function) if "Solution" in names else names[function]


def check_call(call, case):
    """Return whether a call returns the expected value.

    Args:
        call: the function under test.
        case: test case; its input has one JSON argument per line.
    """
    arguments = [json.loads(line) for line in case["input"].split("\n")]
    with contextlib.redirect_stdout(io.StringIO()):
        found = call(*arguments)
    return (list(found) if isinstance(found, tuple) else found) == json.loads(case["output"])


def check_program(code, case):
    """Return whether the program writes the expected output.

    Args:
        code: compiled solution.
        case: test case; its input is the standard input.
    """
    written = io.StringIO()
    stdin = sys.stdin
    sys.stdin = io.TextIOWrapper(io.BytesIO(case["input"].encode()), encoding="utf-8")
    try:
        with contextlib.redirect_stdout(written), contextlib.suppress(SystemExit):
            exec(code, namespace("__main__"))
    finally:
        sys.stdin = stdin
    found, expected = lines(written.getvalue()), lines(case["output"])
    return len(found) == len(expected) and all(map(same, found, expected))


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
