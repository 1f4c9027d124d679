"""Runs inside the sandbox: what the harnesses share. Part of the program of each."""

import base64
import contextlib
import hashlib
import json
import pickle
import signal
import sys
import zlib

# The line that explains a failure, on standard error, begins with it.
MARK = "selfalign-reason: "
# The fastest level: outputs of some tasks are a hundred megabytes of near-repetition.
LEVEL = 1
# Expected texts longer than this are kept as their digest.
LONG = 1 << 16


class WrongAnswer(AssertionError):
    """The answer is not right."""


def fail(reason, place=None):
    """Explain the failure (`place`: index of the input) and raise: the answer is not right."""
    report = {"reason": reason} if place is None else {"reason": reason, "input": place}
    print(f"\n{MARK}{json.dumps(report)}", file=sys.__stderr__, flush=True)
    raise WrongAnswer(reason) from None


class LongText:  # noqa: PLW1641 - equal to texts, whose hash it does not know
    """Stands for a long text where only equality with it is asked for."""

    def __init__(self, text):
        self.length = len(text)
        self.digest = digest(text)

    def __eq__(self, other):
        if isinstance(other, LongText):
            return self.digest == other.digest
        if not isinstance(other, str):
            return NotImplemented
        return len(other) == self.length and digest(other) == self.digest


def digest(text):
    """Return a digest of a text, whatever is in it."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def shortened(value):
    """Return `value`, or what stands for it if it is a long text."""
    return LongText(value) if type(value) is str and len(value) > LONG else value


@contextlib.contextmanager
def cpu_time_limit(seconds):
    """Raise after `seconds` of CPU time of this process."""

    def expired(_signum, _frame):
        raise TimeoutError(f"more than {seconds} s of CPU time")

    signal.signal(signal.SIGPROF, expired)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def pack(value):
    """Return any value as text."""
    return base64.b64encode(zlib.compress(pickle.dumps(value, protocol=4), LEVEL)).decode("ascii")


def unpack(text):
    """Return the value in a text made by :func:`pack`. Calls what the text says: for the sandbox only."""
    return pickle.loads(zlib.decompress(base64.b64decode(text)))
