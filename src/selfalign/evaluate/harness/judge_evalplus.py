"""Compare the results of a solution with those of the reference solution. Runs in a sandbox that runs no answers.

The comparison is ``evalplus.eval.unsafe_execute`` (entry point, expected outputs, tolerance, special-case tasks); in place
of the solution it calls a function that returns the results of the answer, which were computed in another sandbox under
the time limits. Its own time limits and its memory limit are off: they are meant for the solution.
"""

import contextlib
import json
import sys

from selfalign.evaluate.harness import values
from selfalign.evaluate.harness.common import Answered, fail


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
        expected = self._expected.result(self.calls)
        self.calls += 1
        found = self._answered.result(self.calls)
        # NaN does not equal itself.
        long = len(expected.text) > values.MAX_UNCOMPRESSED and "NaN" not in expected.text
        if long and found is not None and found.text == expected.text:
            self._output = Alike()
            return self._output
        self._output = values.loads(expected.text)
        return self._answered.value(self.calls)

    def __getitem__(self, place):
        return self._output


class Alike:
    """Stands for a long output that is written as the expected one is, and need not be decoded: it equals itself."""


replay: Replay


def main():
    """Check the results given on standard input; raise if one is wrong."""
    global replay  # noqa: PLW0603 - the only way into unsafe_execute is the text of a program
    job = json.loads(sys.stdin.read())
    answered = Answered(job)
    if reason := answered.failure(0):
        fail(reason)
    inputs = values.loads(values.unpack(job["inputs"]))
    replay = Replay(answered, Answered({"results": values.unpack(job["outputs"]), "ended": None}))

    from evalplus import eval as evalplus

    evalplus.query_maximum_memory_bytes = lambda: None
    evalplus.time_limit = lambda _: contextlib.nullcontext()
    if job["exact_floats"]:
        evalplus.is_floats = lambda _: False
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
