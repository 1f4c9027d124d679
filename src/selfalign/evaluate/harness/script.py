"""Run a program that ends with its tests. Runs inside the sandbox of answers.

For tests that cannot be separated from the solution: solution and tests share this process, so a hostile solution can
reach the tests. The program has its own namespace, where ``__name__`` is not ``__main__``, so that a solution's script
part does not run. Its output is discarded. Its time limit counts the CPU time of the process.
"""

import json
import sys

from selfalign.evaluate.harness.common import cpu_time_limit, discarded_output, fail


def main():
    """Run the program given on standard input; raise if it does not run to its end."""
    job = json.loads(sys.stdin.read())
    try:
        with discarded_output(), cpu_time_limit(job["limit"]):
            exec(job["program"], {})
    except BaseException as error:
        missing = isinstance(error, ModuleNotFoundError)
        fail(f"ModuleNotFoundError: {error.name}" if missing else type(error).__name__)
        raise  # also if the program has replaced `fail`
