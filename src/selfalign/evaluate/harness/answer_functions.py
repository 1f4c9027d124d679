"""Call one function on inputs of many tasks; write what it returns. Runs inside the sandbox of answers.

As in ``answer_calls``, the job holds inputs only; what is right is known outside. After a first line, which says that the
function is defined, there is one line for each group of inputs: a list of the results, up to the first call that raises
or exceeds the time limit.
"""

import json
import signal
import sys

from selfalign.evaluate.harness import values
from selfalign.evaluate.harness.common import Results


def main():
    """Run the job given on standard input.

    The job has ``code``, ``function`` (its name), ``groups`` (lists of inputs; an input is a list or tuple of arguments, as
    written by ``values.dumps``), ``iterables`` (numbers of the groups for which the items of iterable objects are returned)
    and ``limit`` (CPU time of the definition and of each call, in seconds).
    """
    job = json.loads(sys.stdin.read())
    results = Results()
    signal.signal(signal.SIGPROF, expired)
    set_timer, limit, iterables = signal.setitimer, job["limit"], set(job["iterables"])
    names: dict = {"__name__": "row"}
    try:
        set_timer(signal.ITIMER_PROF, limit, limit)
        try:
            exec(job["code"], names)
            function = names[job["function"]]
        finally:
            set_timer(signal.ITIMER_PROF, 0)
    except BaseException as error:
        results.error(error)
        results.end()
    results.value("null")
    for number, inputs in enumerate(job["groups"]):
        found = []
        try:
            for given in inputs:
                arguments = values.loads(given)
                # Again and again, for functions that catch the exception and go on.
                set_timer(signal.ITIMER_PROF, limit, limit)
                try:
                    result = function(*arguments)
                    found.append(values.dumps(result, digests=True, iterables=number in iterables))
                finally:
                    set_timer(signal.ITIMER_PROF, 0)
        except BaseException:
            pass  # whatever it is, the function does not solve the task
        results.several(found)
    results.end()


def expired(_signum, _frame):
    """Raise TimeoutError: the time limit of a call has passed."""
    raise TimeoutError
