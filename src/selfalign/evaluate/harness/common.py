"""Functions shared by the harnesses. Runs inside the sandbox as part of each program."""

import contextlib
import io
import json
import os
import re
import signal
import sys
from json.encoder import encode_basestring_ascii as json_string

from selfalign.evaluate.harness import values

# Prefix of the line on standard error that explains a failure.
MARK = "selfalign-reason: "
# Last line of incomplete results: the answer was stopped, so that these are compared first.
STOPPED = '{"stopped": true}\n'
# Results that must be decoded to be compared, because equal texts need not be equal values: NaN, objects that equal only
# themselves, and compressed ones, which may contain these.
COMPARED_BY_VALUE = re.compile("NaN|numpy|unserialisable|items|packed")


class WrongAnswer(AssertionError):
    """The solution is wrong."""


# Characters of an output that a failure reports.
MAX_REPORTED = 300


def fail(reason, place=None, **details):
    """Report the failure on standard error and raise.

    Args:
        reason: what went wrong, in a few words.
        place: index of the failing input, if there is one.
        details: further values to report, shortened.

    Raises:
        WrongAnswer: always.
    """
    print(f"\n{reason_line(reason, place, **details)}", file=sys.__stderr__, flush=True)
    raise WrongAnswer(reason) from None


def reason_line(reason, place, **details):
    """Return the line that explains a failure; see :func:`fail`."""
    report = {"reason": reason} if place is None else {"reason": reason, "input": place}
    report |= {name: shortened(value) for name, value in details.items()}
    return f"{MARK}{json.dumps(report)}"


def shortened(value):
    """Return a value as text without the middle of a long one.

    Args:
        value: text, or an object that is shown by its representation.
    """
    text = value if isinstance(value, str) else repr(value)
    half = MAX_REPORTED // 2
    return text if len(text) <= MAX_REPORTED else f"{text[:half]} ... {text[-half:]}"


@contextlib.contextmanager
def cpu_time_limit(seconds):
    """Limit the CPU time of this process.

    Args:
        seconds: CPU time after which TimeoutError is raised; None: no limit.
    """
    if seconds is None:
        yield
        return

    def expired(_signum, _frame):
        raise TimeoutError(f"more than {seconds} s of CPU time")

    signal.signal(signal.SIGPROF, expired)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


@contextlib.contextmanager
def discarded_output():
    """Discard what is written to ``sys.stdout`` and ``sys.stderr``."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


def result_line(text, arguments=None):
    """Return the line of a result that is a value.

    Args:
        text: the value as written by :func:`values.dumps`.
        arguments: see :meth:`Results.value`.
    """
    long = len(text) > values.MAX_UNCOMPRESSED
    if arguments is None and not long:
        return f'{{"value": {json_string(text)}}}\n'
    content: dict = {"packed": values.pack(text)} if long else {"value": text}
    if arguments is not None:
        content["arguments"] = arguments
    return json.dumps(content) + "\n"


class Results:
    """Writes the results of an answer, one line of JSON each, as soon as they are there.

    The lines go to what was standard output, from a descriptor of their own, so that the answer's output does not mix with
    them; descriptors 1 and 2 are then ``/dev/null``. An answer can write lines too. That gains it nothing: whoever
    reads them takes them for what the answer says, and compares.
    """

    def __init__(self):
        self._descriptor = os.dup(1)
        nothing = os.open("/dev/null", os.O_WRONLY)
        for descriptor in (1, 2):
            os.dup2(nothing, descriptor)
        os.close(nothing)
        self._write, self._exit = os.write, os._exit
        self._is_writing = self._is_stopped = False

    def value(self, text, arguments=None):
        """Report a value.

        Args:
            text: the value as written by :func:`values.dumps`.
            arguments: likewise the positional arguments of the call, None for each that cannot change; None: the call
                has changed none.
        """
        self._line(result_line(text, arguments))

    def error(self, error):
        """Report an exception by the names of its types, the most special one first.

        Args:
            error: the exception.
        """
        content: dict = {"raised": [kind.__name__[:100] for kind in type(error).__mro__[:20]]}
        if isinstance(error, ModuleNotFoundError):
            content["module"] = str(error.name)[:100]
        self._line(json.dumps(content) + "\n")

    def several(self, texts):
        """Report several values in one line: a list of texts.

        Args:
            texts: the values as written by :func:`values.dumps`.
        """
        self._line(json.dumps(texts) + "\n")

    def stop_after(self, seconds):
        """End the process after some CPU time, with a line that says so. The answer is not told by an exception.

        Args:
            seconds: user CPU time from now.
        """

        def stop(_signum, _frame):
            self._is_stopped = True
            if not self._is_writing:
                self._line(STOPPED)
                self.end()

        signal.signal(signal.SIGVTALRM, stop)
        signal.setitimer(signal.ITIMER_VIRTUAL, seconds)

    def end(self):
        """End the process without waiting for what the answer has left behind, such as threads."""
        self._exit(0)

    def _line(self, line):
        self._is_writing = True
        data = memoryview(line.encode("ascii"))
        while data:
            data = data[self._write(self._descriptor, data) :]
        self._is_writing = False
        if self._is_stopped and line != STOPPED:
            self._line(STOPPED)
            self.end()


class Result:
    """One result of an answer.

    Args:
        line: a line written by :class:`Results`, or by the answer itself.

    Attributes:
        text: the value as written by :func:`values.dumps`; None for an exception.
        raised: names of the exception's types; empty for a value.
        fields: all fields of the line.

    Raises:
        ValueError: the line has another form.
    """

    def __init__(self, line):
        try:
            self.fields = json.loads(line)
        except RecursionError:
            raise ValueError("malformed result") from None
        if not isinstance(self.fields, dict):
            raise ValueError("malformed result")
        self.raised = [str(name) for name in self.fields.get("raised") or []]
        self.text = None
        if "packed" in self.fields:
            self.text = values.unpack(self.fields["packed"])
        elif not self.raised:
            self.text = self.fields.get("value")
            if not isinstance(self.text, str):
                raise ValueError("malformed result")


class Answered:
    """All results of an answer, in order.

    Args:
        job: has ``results`` (lines) and ``ended`` (how the answer's program ended, for missing results).
    """

    def __init__(self, job):
        # The last line is incomplete if the program was ended while it wrote.
        self._lines = job["results"].split("\n")[:-1]
        self._ended = job["ended"]

    def result(self, number):
        """Return a result; None if it is missing.

        Args:
            number: its index; 0 is the definition of the solution.

        Raises:
            ValueError: it is malformed.
        """
        return Result(self._lines[number]) if number < len(self._lines) else None

    def failure(self, number):
        """Return why a result cannot be right whatever the tests are, None if it may be right.

        Args:
            number: its index.
        """
        try:
            result = self.result(number)
            if result is None:
                last = self.result(len(self._lines) - 1) if self._lines else None
                return _reason(last) if last is not None and last.raised else self._ended
            if result.raised:
                return _reason(result)
            value = values.loads(result.text, extra={"handle": lambda _: None})
        except ValueError as error:
            return str(error)
        return f"unserialisable: {value.reason}" if isinstance(value, values.Unserialisable) else None

    def value(self, number):
        """Return the value of a result.

        Args:
            number: its index.

        Raises:
            ValueError: the result is missing, an exception, or malformed.
        """
        result = self.result(number)
        if result is None or result.text is None:
            raise ValueError("the answer has no result")
        return values.loads(result.text)


def _reason(result):
    name = result.raised[0]
    module = result.fields.get("module")
    return f"{name}: {module}" if module else name
