"""Run a task's ``check`` function on the results of a solution. Runs in a sandbox that runs no answers.

The functions that ``check`` calls are stubs. A stub returns, or raises, what the answer did when it was called in its own
sandbox with the same arguments, and repeats what it did to lists, sets and dictionaries among them. Which calls a check
makes is known in advance from a run with the reference solution (``record``). If it makes others, because they depend on
earlier results, the check ends here and reports its calls, for the answer to make them.

What an answer returns without a plain form stays in its sandbox, and a :class:`Remote` stands for it. Comparing a Remote
with anything is comparing identities; an answer cannot define what equals its result. It can be called, iterated
and asked for attributes, items, length, truth value and text, which are results like others. An argument without a
plain form, such as a function that the test defines, cannot be passed, and fails the solution with that reason.
"""

import builtins
import contextlib
import json
import os
import random
import sys
import types

from selfalign.evaluate.harness import values
from selfalign.evaluate.harness.common import Answered, cpu_time_limit, discarded_output, fail

# Name of the module that the reference solution is.
REFERENCE = "reference"


def main():
    """Run the check given on standard input; raise if it fails. Print the calls if the answer has to make others."""
    job = json.loads(sys.stdin.read())
    stdout = os.dup(1)

    def need(calls):
        os.write(stdout, json.dumps({"calls": calls}).encode("ascii"))
        os._exit(0)

    names: dict = {"__name__": REFERENCE}
    with discarded_output(), cpu_time_limit(job["limit"]):
        exec(job["reference"], names)
        if job["record"]:
            recorder = Recorder()
            with contextlib.suppress(BaseException):
                run(job, names, {name: recorder.recording(name, names[name]) for name in called(names, job)})
            need(recorder.calls)
        channel = Channel(job, need)
        try:
            run(job, names, {name: Stub(channel, name) for name in called(names, job)})
        except BaseException as error:
            fail(channel.reason(error))


def run(job, names, stubs):
    """Run the tests with stubs for functions of the solution.

    Args:
        job: has ``tests`` and ``entry_point``.
        names: name space of the reference solution, whose other names the tests may use.
        stubs: replacements by name.
    """
    random.seed(0)  # for the same arguments in every run
    names.update(stubs)
    exec(job["tests"], names)
    names["check"](stubs.get(job["entry_point"]))


def called(names, job):
    """Return the names that stand for functions of the answer.

    Args:
        names: name space of the reference solution.
        job: has ``entry_point`` and ``all_names``: whether tests also use other functions and classes of the answer.
    """
    if not job["all_names"]:
        return [job["entry_point"]]
    return [
        name
        for name, value in names.items()
        if isinstance(value, type | types.FunctionType) and value.__module__ == REFERENCE
    ]


class Recorder:
    """Calls the functions of the reference solution and records the calls.

    Attributes:
        calls: the calls in order, as far as their arguments have a plain form.
    """

    def __init__(self):
        self.calls = []
        self._complete = True

    def recording(self, name, function):
        """Return a function that records its calls.

        Args:
            name: name of the function.
            function: function of the reference solution. Classes are returned as they are.
        """
        if isinstance(function, type):
            return function

        def recorded(*arguments, **named):
            if self._complete:
                try:
                    self.calls.append(dumps([f"name:{name}", list(arguments), named]))
                except TypeError:
                    self._complete = False
            return function(*arguments, **named)

        return recorded


class Channel:
    """The results of the answer, in the order of its calls.

    Args:
        job: has ``calls``, which the answer has made, ``results`` and ``ended``, see `Answered`.
        need: called with the calls that the answer has to make instead; does not return.

    Attributes:
        failure: why the answer has failed, whatever the check makes of it; None if it has not.
    """

    def __init__(self, job, need):
        self._given = job["calls"]
        self._answered = Answered(job)
        self._need = need
        self._made = []
        self._raised: tuple = None, None
        self.failure = self._answered.failure(0)

    def call(self, function, arguments, named):
        """Return what a call returned.

        Args:
            function: see ``answer_calls``.
            arguments: positional arguments.
            named: keyword arguments.
        """
        if self.failure:
            raise RuntimeError(self.failure)
        try:
            self._made.append(dumps([function, list(arguments), named]))
        except TypeError as error:
            self.failure = str(error)
            raise
        number = len(self._made)
        if self._made != self._given[:number]:
            self._need(self._made)
        try:
            result = self._answered.result(number)
            if result is None:
                self.failure = self._answered.failure(number)
                raise RuntimeError(self.failure)
            if result.raised:
                self._raised = exception(result.raised), self._answered.failure(number)
                raise self._raised[0]
            self._repeat_changes(arguments, result.fields.get("arguments") or [])
            return self._loads(result.text)
        except ValueError as error:
            if not self.failure:
                self.failure = str(error)
            raise

    def reason(self, error):
        """Return why the check failed.

        Args:
            error: the exception that ended it.
        """
        raised, reason = self._raised
        return self.failure or (reason if error is raised else type(error).__name__)

    def _loads(self, text):
        return values.loads(text, extra={"handle": lambda number: Remote(self, int(number))})

    def _repeat_changes(self, arguments, changed):
        """Change lists, dictionaries, sets and byte arrays as the answer has changed them."""
        for argument, text in zip(arguments, changed, strict=False):
            if text is None:
                continue
            value = self._loads(text)
            if type(value) is not type(argument):
                raise ValueError("malformed result: argument of another type")
            if isinstance(argument, list | bytearray):
                argument[:] = value
            else:
                argument.clear()
                argument.update(value)


class Stub:
    """A function or class of the answer.

    Args:
        channel: its results.
        name: its name.
    """

    def __init__(self, channel, name):
        self._channel = channel
        self._name = name

    def __call__(self, *arguments, **named):
        """Return what the answer returned."""
        return self._channel.call(f"name:{self._name}", arguments, named)


class Remote:
    """An object of the answer without a plain form.

    Args:
        channel: results of the answer.
        number: number of the object.
    """

    def __init__(self, channel, number):
        vars(self).update(_channel=channel, _number=number)

    def _operate(self, operation, *arguments, **named):
        return self._channel.call(f"op:{operation}", (self, *arguments), named)

    def __call__(self, *arguments, **named):
        """Return what the answer's object returned."""
        return self._operate("call", *arguments, **named)

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return self._operate("getattr", name)

    def __setattr__(self, name, value):
        self._operate("setattr", name, value)

    def __getitem__(self, key):
        return self._operate("getitem", key)

    def __iter__(self):
        return iter(self._operate("iter"))

    def __len__(self):
        return self._operate("len")

    def __bool__(self):
        return self._operate("bool")

    def __str__(self):
        return self._operate("str")


def dumps(call):
    """Return a call as text.

    Args:
        call: function, arguments and keyword arguments.

    Raises:
        TypeError: an argument has no plain form.
    """

    def unknown(value):
        if isinstance(value, Remote):
            return {"handle": vars(value)["_number"]}
        raise TypeError(f"unserialisable argument: {type(value).__name__}")

    return values.dumps(call, unknown=unknown)


def exception(names):
    """Return an exception of the first built-in type among those of an answer's exception.

    Args:
        names: names of types, the most special one first.
    """
    for name in names:
        kind = getattr(builtins, name, None)
        if isinstance(kind, type) and issubclass(kind, BaseException):
            try:
                return kind()
            except TypeError:  # such as UnicodeDecodeError, which needs arguments
                continue
    return Exception()
