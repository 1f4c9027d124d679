"""The program of the benchmark self_tests, which decides whether a solution passes the tests of a task.

The run makes the tasks with it (:mod:`selfalign.curate.self_tests`), and scoring runs it on the solutions of models.
"""

from __future__ import annotations

from selfalign.sandbox import Limits, Program

# CPU time and memory of the execution filter. The wall-time limit only catches solutions that sleep.
LIMITS = Limits(wall_s=30.0)


def self_test_program(key: str, solution: str, tests: str) -> Program:
    """Return the program that passes, as in the execution filter, if and only if a solution passes the tests.

    The tests are observed: an assertion must be evaluated, none may fail, and all tests must run.

    Args:
        key: name of the program in its verdict.
        solution: source text of the solution.
        tests: source text of the tests.
    """
    return Program(key, f"{solution}\n{tests}\n", limits=LIMITS, tests_line=solution.count("\n") + 2)
