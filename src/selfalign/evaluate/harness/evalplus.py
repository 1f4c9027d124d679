"""Run EvalPlus' own check of one solution on one set of inputs. Runs inside the sandbox.

The check is ``evalplus.eval.unsafe_execute`` (entry point, expected outputs, tolerance, special-case tasks,
time limit per input). Two parts of it are replaced: its clock counts the CPU time of the process, so that a loaded
machine gives the same verdicts; and its memory limit is the sandbox's.
"""

import contextlib
import json
import os
import sys

from selfalign.evaluate.harness.common import cpu_time_limit, fail, unpack


class Cell:
    """A mutable value, as ``unsafe_execute`` expects for its results.

    Args:
        value: initial value.
    """

    def __init__(self, value):
        self.value = value


def main():
    """Check the solution given on standard input; raise if it is wrong."""
    job = json.loads(sys.stdin.read())
    inputs, expected = unpack(job["cases"])

    os.environ["EVALPLUS_MAX_MEMORY_BYTES"] = "-1"  # disables EvalPlus' own limit
    from evalplus import eval as evalplus

    log = ExecutionLog()
    evalplus.time_limit = cpu_time_limit
    if job["exact_floats"]:
        evalplus.is_floats = lambda _: False
    evalplus.swallow_io = recording(evalplus.swallow_io, log)
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
    # The check stops at the first failure, so this status means that every input passed. EvalPlus also requires a mark
    # for each input, which its special case for HumanEval/32 never sets: even the reference solution fails there.
    if status.value == evalplus._SUCCESS:
        return
    # The first execution defines the solution; each later one runs an input.
    fail(log.error or "wrong answer", log.executions - 2 if log.executions > 1 else None)


class ExecutionLog:
    """Number of executions of the solution, and the type of the exception that it raised."""

    executions = 0
    error = None


def recording(manager, log):
    """Return a context manager that wraps `manager` and records executions and exceptions.

    Args:
        manager: function that returns a context manager.
        log: the record.
    """

    @contextlib.contextmanager
    def wrapped():
        log.executions += 1
        try:
            with manager():
                yield
        except BaseException as error:
            log.error = type(error).__name__
            raise

    return wrapped
