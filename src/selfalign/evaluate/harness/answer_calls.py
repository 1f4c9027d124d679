"""Run a solution and call its functions; write what they return. Runs inside the sandbox of answers.

The job holds inputs only. What the calls are expected to return is known to the judges (``judge_evalplus`` and
``judge_check``), which run in other sandboxes. One result per call follows a first one for the definition of the solution.

A call is a list of a function, its positional and its keyword arguments. The function is ``name:`` and a name of the
solution, or ``op:`` and one of OPERATIONS, which take an object that an earlier call has returned and that has no plain
form (see ``values``). Such objects stay here; their number stands for them outside.
"""

import json
import signal
import sys

from selfalign.evaluate.harness import values
from selfalign.evaluate.harness.common import Results, cpu_time_limit, discarded_output

MUTABLE = (list, dict, set, bytearray)
OPERATIONS = {
    "call": lambda target, *arguments, **named: target(*arguments, **named),
    "getattr": getattr,
    "setattr": setattr,
    "getitem": lambda target, key: target[key],
    "iter": lambda target: list(target),  # noqa: PLW0108 - an answer may replace list
    "len": len,
    "bool": bool,
    "str": str,
}


def main():
    """Run the job given on standard input: the inputs of an EvalPlus task, or calls."""
    job = json.loads(sys.stdin.read())
    results = Results()
    if "inputs" in job:
        run_inputs(job, results)
    else:
        run_calls(job, results)
    results.end()


def run_inputs(job, results):
    """Call the entry point on each input, until one fails, under the conditions of ``evalplus.eval.unsafe_execute``.

    Args:
        job: has ``code``, ``entry_point``, ``inputs``, ``limits`` (CPU time of each call in seconds), ``iterables``
            (return the items of iterable objects of other types) and ``stop_after`` (see `Results.stop_after`; null: not
            at all).
        results: where to report.
    """
    from evalplus.eval.utils import WriteOnlyStringIO, reliability_guard

    inputs = values.loads(values.unpack(job["inputs"]))
    reliability_guard()
    signal.signal(signal.SIGPROF, expired)
    set_timer = signal.setitimer
    names: dict = {}
    try:
        # As `swallow_io` of EvalPlus, without the calls of its context managers, which take longer than many answers.
        sys.stdin = sys.stdout = sys.stderr = WriteOnlyStringIO()
        exec(job["code"], names)
        function = names[job["entry_point"]]
        results.value("null")
        iterables = job["iterables"]
        if job["stop_after"] is not None:
            results.stop_after(job["stop_after"])
        for arguments, limit in zip(inputs, job["limits"], strict=True):
            sys.stdin = sys.stdout = sys.stderr = WriteOnlyStringIO()
            set_timer(signal.ITIMER_PROF, limit)
            try:
                found = function(*arguments)
            finally:
                set_timer(signal.ITIMER_PROF, 0)
            results.value(values.dumps(found, digests=True, iterables=iterables))
    except BaseException as error:
        results.error(error)


def expired(_signum, _frame):
    """Raise TimeoutError: the time limit of a call has passed."""
    raise TimeoutError


def run_calls(job, results):
    """Make the calls of a ``check`` function.

    Args:
        job: has ``code``, ``calls`` and ``limit`` (CPU time of all in seconds).
        results: where to report.
    """
    objects: list = []

    def handle(target):
        objects.append(target)
        return {"handle": len(objects) - 1}

    def dumps(value):
        return values.dumps(value, unknown=handle)

    def make(call):
        function, arguments, named = values.loads(call, extra={"handle": objects.__getitem__})
        kind, _, name = function.partition(":")
        before = [dumps(each) if isinstance(each, MUTABLE) else None for each in arguments]
        text = dumps((names if kind == "name" else OPERATIONS)[name](*arguments, **named))
        after = [dumps(each) if isinstance(each, MUTABLE) else None for each in arguments]
        return text, (after if after != before else None)

    names: dict = {}
    try:
        with cpu_time_limit(job["limit"]), discarded_output():
            exec(job["code"], names)
            results.value("null")
            for call in job["calls"]:
                try:
                    results.value(*make(call))
                except BaseException as error:
                    # A check may expect an exception and go on.
                    results.error(error)
                    if isinstance(error, TimeoutError):
                        return
    except BaseException as error:
        results.error(error)
