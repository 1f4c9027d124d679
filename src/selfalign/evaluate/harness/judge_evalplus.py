"""Compute the results of a reference solution, or compare those of an answer with them, by EvalPlus' own functions.

Runs in a sandbox that runs no answers. The comparison is ``evalplus.eval.unsafe_execute`` (entry point, expected outputs,
tolerance, special-case tasks); in place of the solution it calls a function that returns the results of the answer,
which were computed in another sandbox under the time limits. Its own time limits and its memory limit are off: they are
meant for the solution.
"""

import contextlib
import io
import json
import sys
import time
import types
from typing import Any

from selfalign.evaluate.harness import values
from selfalign.evaluate.harness.common import COMPARED_BY_VALUE, Answered, fail, result_line

# Entry points whose outputs EvalPlus checks by the inputs.
INPUT_ORACLES = ("find_zero", "surface_Area", "digit_distance_nums")


class Cell:
    """A mutable value, as ``unsafe_execute`` expects for its results.

    Args:
        value: initial value.
    """

    def __init__(self, value):
        self.value = value


class Replay:
    """The results of the answer as a function, and the expected outputs as a sequence.

    Args:
        answered: results of the answer.
        expected: results of the reference solution.

    Attributes:
        calls: number of calls.
    """

    def __init__(self, answered, expected):
        self._answered = answered
        self._expected = expected
        self._output = None
        self.calls = 0

    def __call__(self, *_):
        """Return the answer's next output, whatever the arguments."""
        self.calls += 1
        expected = self._expected.result(self.calls - 1)
        found = self._answered.result(self.calls)
        is_alike = found is not None and found.text == expected.text
        if is_alike and not COMPARED_BY_VALUE.search(expected.text):
            is_long = len(expected.text) > values.MAX_UNCOMPRESSED
            self._output = Alike() if is_long else values.loads(expected.text)
            return self._output
        self._output = values.loads(expected.text)
        return self._answered.value(self.calls)

    def __getitem__(self, place):
        return self._output


class Alike:
    """Stands for a long output that is written as the expected one is, and need not be decoded: it equals itself."""


replay: Replay


def main():
    """Run the job given on standard input: compare the results in it, or print those of the reference solution."""
    job = json.loads(sys.stdin.read())
    if "results" in job:
        compare(job)
    else:
        print(json.dumps(reference_results(job)))


def reference_results(job):
    """Return, by part, the packed inputs and outputs of the reference solution and its CPU times in seconds.

    Args:
        job: has ``code``, ``entry_point``, ``inputs`` (packed, by part), ``expressions`` (the inputs are Python
            expressions), ``iterables`` (see ``answer_calls``) and ``output_not_none`` (see ``trusted_exec``).
    """
    from evalplus.gen import util

    util.time = types.SimpleNamespace(time=time.process_time)
    found = {}
    for part, packed in job["inputs"].items():
        inputs = values.loads(values.unpack(packed))
        with contextlib.redirect_stdout(io.StringIO()):
            if job["expressions"]:
                inputs = [eval(f"[{text}]") for text in inputs]
            measured: Any = util.trusted_exec(
                job["code"],
                inputs,
                job["entry_point"],
                record_time=True,
                output_not_none=job["output_not_none"],
            )
        outputs, seconds = measured
        lines = [
            result_line(values.dumps(output, digests=True, iterables=job["iterables"])) for output in outputs
        ]
        found[part] = {
            "inputs": values.pack(values.dumps(inputs)),
            "outputs": values.pack("".join(lines)),
            "seconds": seconds,
        }
    return found


def compare(job):
    """Compare results with the expected ones; raise if one is wrong.

    Args:
        job: has ``dataset``, ``entry_point``, ``inputs``, ``outputs`` (packed), ``atol``, ``exact_floats``, and the
            answer's ``results`` and ``ended`` (see `Answered`).
    """
    global replay  # noqa: PLW0603 - the only way into unsafe_execute is the text of a program
    answered = Answered(job)
    if reason := answered.failure(0):
        fail(reason)
    inputs = values.loads(values.unpack(job["inputs"]))
    replay = Replay(answered, Answered({"results": values.unpack(job["outputs"]), "ended": None}))

    from evalplus import eval as evalplus

    evalplus.query_maximum_memory_bytes = lambda: None
    evalplus.time_limit = lambda _: contextlib.nullcontext()
    if job["exact_floats"]:
        # In EvalPlus before pull request 165 of April 2024, every comparison with a tolerance raised an error:
        # numpy.testing starts a process when it is imported, which the harness forbids.
        evalplus.np.allclose = lambda *_, **__: False
    status, details = Cell(evalplus._UNKNOWN), [False] * len(inputs)
    evalplus.unsafe_execute(
        job["dataset"],
        job["entry_point"],
        f"from {__name__} import replay as {job['entry_point']}",
        inputs,
        replay,  # pyright: ignore[reportArgumentType]
        [0.0] * len(inputs),
        job["atol"],
        True,
        status,
        details,
        Cell(0),
    )
    # The check stops at the first failure, so this status means that every input passed. EvalPlus also requires a mark
    # for each input, which its special case for HumanEval/32 never sets: even the reference solution fails there.
    if status.value == evalplus._SUCCESS and replay.calls == len(inputs):
        return
    fail(answered.failure(replay.calls) or "wrong answer", replay.calls - 1)
