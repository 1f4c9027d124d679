"""Runs inside the sandbox: a LiveCodeBench answer on its cases, by standard input or by a call.

The rules are the benchmark's: output compares line by line, stripped, exactly or as decimal numbers; what a
call returns compares with the expected value, a tuple counting as a list; names of the usual modules are there.
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
""".split()  # noqa: SIM905
RECURSION_LIMIT = 50_000


def main():
    """Check the answer on standard input; raise unless it is right."""
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
    """Return the globals of an answer."""
    names: dict = {"__name__": name}
    exec("\n".join(f"from {module} import *\nimport {module}" for module in STAR_IMPORTS), names)
    return names


def entry(code, function):
    """Return the function under test: a method of ``Solution``, or a function."""
    names = namespace("answer")
    with contextlib.redirect_stdout(io.StringIO()):
        exec(code, names)
        return getattr(names["Solution"](), function) if "Solution" in names else names[function]


def check_call(call, case):
    """Whether the call returns what it should; arguments are JSON, one a line."""
    arguments = [json.loads(line) for line in case["input"].split("\n")]
    with contextlib.redirect_stdout(io.StringIO()):
        found = call(*arguments)
    return (list(found) if isinstance(found, tuple) else found) == json.loads(case["output"])


def check_program(code, case):
    """Whether the program, run with the case's standard input, writes what it should."""
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
    """Return the lines of an output, stripped."""
    return [line.strip() for line in text.strip().split("\n")]


def same(found, expected):
    """Whether two lines are equal, as text or as decimal numbers."""
    if found == expected:
        return True
    try:
        return [Decimal(word) for word in found.split()] == [Decimal(word) for word in expected.split()]
    except InvalidOperation:
        return False
