"""Functions shared by the harnesses. Runs inside the sandbox as part of each program."""

import base64
import contextlib
import hashlib
import json
import pickle
import signal
import sys
import zlib

# Prefix of the line on standard error that explains a failure.
MARK = "selfalign-reason: "
# Fastest zlib level: outputs of some tasks are a hundred megabytes of repetitive data.
COMPRESSION_LEVEL = 1
# Expected strings longer than this (in characters) are stored as a digest.
MAX_STORED_CHARACTERS = 1 << 16


class WrongAnswer(AssertionError):
    """The solution is wrong."""


def fail(reason, place=None):
    """Report the failure on standard error and raise.

    Args:
        reason: what went wrong, in a few words.
        place: index of the failing input, if there is one.

    Raises:
        WrongAnswer: always.
    """
    report = {"reason": reason} if place is None else {"reason": reason, "input": place}
    print(f"\n{MARK}{json.dumps(report)}", file=sys.__stderr__, flush=True)
    raise WrongAnswer(reason) from None


class LongText:  # noqa: PLW1641 - equals strings whose hash it does not know
    """Length and digest of a long string, for comparing with it.

    Args:
        text: the string.
    """

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
    """Return the SHA-256 of a string, which may contain lone surrogates.

    Args:
        text: the string.
    """
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def shortened(value):
    """Return `value`, or a :class:`LongText` if it is a long string.

    Args:
        value: an output of a reference solution.
    """
    return LongText(value) if type(value) is str and len(value) > MAX_STORED_CHARACTERS else value


@contextlib.contextmanager
def cpu_time_limit(seconds):
    """Limit the CPU time of this process.

    Args:
        seconds: CPU time after which TimeoutError is raised.
    """

    def expired(_signum, _frame):
        raise TimeoutError(f"more than {seconds} s of CPU time")

    signal.signal(signal.SIGPROF, expired)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def pack(value):
    """Return a picklable value as ASCII text.

    Args:
        value: any picklable value.
    """
    return base64.b64encode(zlib.compress(pickle.dumps(value, protocol=4), COMPRESSION_LEVEL)).decode("ascii")


def unpack(text):
    """Return the value packed by :func:`pack`. Unpickles the text, so call it only inside the sandbox.

    Args:
        text: result of :func:`pack`.
    """
    return pickle.loads(zlib.decompress(base64.b64decode(text)))
