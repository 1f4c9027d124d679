"""Compare the outputs of a LiveCodeBench solution with the expected ones. Runs in a sandbox that runs no answers.

The rules are the benchmark's: outputs are compared line by line, stripped, as text or as decimal numbers; the result
of a call is compared with the expected value, a tuple counting as a list; a predicted value must equal the expected one.
"""

import json
import math
import sys
from decimal import Decimal, InvalidOperation

from selfalign.evaluate.harness.common import Answered, fail

# Values of the execution scenario that are not literals.
FLOATS = {"inf": math.inf, "nan": math.nan}
# The limit of the benchmark's own harness.
INTEGER_DIGITS = 50_000


def main():
    """Check the results given on standard input; raise if one is wrong.

    The job has ``outputs`` and ``function``, or ``outputs`` and ``predicted``: ``json`` or ``python``, the language of the
    outputs.
    """
    job = json.loads(sys.stdin.read())
    sys.set_int_max_str_digits(INTEGER_DIGITS)
    answered = Answered(job)
    if reason := answered.failure(0):
        fail(reason)
    for place, expected in enumerate(job["outputs"]):
        if reason := answered.failure(place + 1):
            fail(reason, place)
        found = answered.value(place + 1)
        if "predicted" in job:
            right = found == (json.loads(expected) if job["predicted"] == "json" else eval(expected, FLOATS))
        elif job["function"]:
            right = is_expected_value(found, expected)
        else:
            right = is_expected_text(found, expected)
        if not is_true(right):
            fail("wrong answer", place, output=found)


def is_true(right):
    """Return whether a comparison is true; one with an array of numpy may be true only if it has one element.

    Args:
        right: result of the comparison.
    """
    try:
        return bool(right)
    except ValueError:
        return False


def is_expected_value(found, expected):
    """Return whether a call returned the expected value.

    Args:
        found: result of the call.
        expected: expected value as JSON.
    """
    return (list(found) if isinstance(found, tuple) else found) == json.loads(expected)


def is_expected_text(found, expected):
    """Return whether a program wrote the expected output.

    Args:
        found: output of the program.
        expected: expected output.
    """
    found, expected = lines(found), lines(expected)
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
