"""Runs inside the sandbox: EvalPlus' own check of one answer on one set of inputs.

The check is ``evalplus.eval.unsafe_execute`` (entry point, oracle outputs, tolerance, special-case tasks,
limit per input). Two things of it are replaced: its clock, which here counts the CPU time of the process, so
that a loaded machine gives the same verdicts; and its memory limit, which is the sandbox's.
"""

import contextlib
import json
import os
import sys

from selfalign.evaluate.harness.common import cpu_time_limit, fail, unpack


class Cell:
    """A value in a box, as `unsafe_execute` expects for what it reports."""

    def __init__(self, value):
        self.value = value


def main():
    """Check the answer on standard input; raise unless it is right."""
    job = json.loads(sys.stdin.read())
    inputs, expected = unpack(job["cases"])

    os.environ["EVALPLUS_MAX_MEMORY_BYTES"] = "-1"  # means: sets no limit of its own
    from evalplus import eval as evalplus

    seen = Seen()
    evalplus.time_limit = cpu_time_limit
    if job["exact_floats"]:
        evalplus.is_floats = lambda _: False
    evalplus.swallow_io = recording(evalplus.swallow_io, seen)
    status, details = Cell(evalplus._UNKNOWN), [False] * len(inputs)
    evalplus.unsafe_execute(
        job["dataset"],
        job["entry_point"],
        job["code"],
        inputs,
        expected,
        job["limits"],
        job["atol"],
        True,
        status,
        details,
        Cell(0),
    )
    # It stops at the first failure, so this alone means that every input passed. EvalPlus also wants one mark per
    # input, which its special case for HumanEval/32 never sets: there even the reference solution fails.
    if status.value == evalplus._SUCCESS:
        return
    # The first time is for what the answer does when it is defined.
    fail(seen.error or "wrong answer", seen.times - 2 if seen.times > 1 else None)


class Seen:
    """What was seen of the answer: how often it was run, and the type of what it raised."""

    times = 0
    error = None


def recording(manager, seen):
    """Return the context manager `manager`, which now also notes what goes on in it."""

    @contextlib.contextmanager
    def wrapped():
        seen.times += 1
        try:
            with manager():
                yield
        except BaseException as error:
            seen.error = type(error).__name__
            raise

    return wrapped
