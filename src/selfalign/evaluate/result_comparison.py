"""Whether a result of a function may be right for a task of a benchmark, by the result of the reference solution."""

from __future__ import annotations

import math
from typing import Any

from selfalign.benchmarks import Benchmark, Task
from selfalign.evaluate.ground_truth import accepts_iterables
from selfalign.evaluate.harness import values
from selfalign.evaluate.harness.judge_evalplus import INPUT_ORACLES

# Comparisons by which other results than the expected one are wrong.
EXACT = ("equal", "set")
# Relative and absolute difference of numbers up to which a result may be right. The scorer decides.
TOLERANCE = 1e-5


def may_be_right(result: str, expected: str, comparison: str) -> bool:
    """Return whether a result may be accepted by the tests of a task.

    More is accepted here than by EvalPlus. The tests of HumanEval and MBPP are programs, which could accept even more: a
    function that returns other results than the reference solution may be missed there.

    Args:
        result: result of a function, as written by ``values.dumps``; from any source.
        expected: result of the reference solution.
        comparison: ``equal``; ``set`` (the order of items does not matter either); ``number`` (any number); ``not_none``
            (``expected`` says whether the result is something else than None); ``any``.
    """
    if result == expected or comparison == "any":
        return True
    if comparison == "equal" and "{" not in (result[:1], expected[:1]):
        kinds = _kind(result), _kind(expected)
        if kinds[0] != kinds[1] or kinds[0] in ("text", "null"):
            return False
    try:
        found, wanted = values.loads(result), values.loads(expected)
        if comparison == "number":
            return isinstance(found, int | float)
        if comparison == "not_none":
            return wanted == (found if isinstance(found, bool) else found is not None)
        return _alike(found, wanted, in_any_order=comparison == "set")
    except (ValueError, TypeError, RecursionError, OverflowError):
        return False


def _kind(text: str) -> str:
    return {'"': "text", "[": "items", "n": "null"}.get(text[:1], "number")


def _alike(found: Any, wanted: Any, *, in_any_order: bool) -> bool:
    """Return whether values are equal but for the type of sequences and small differences of numbers."""
    if hasattr(found, "dtype") or hasattr(wanted, "dtype"):
        return True
    if isinstance(found, int | float) and isinstance(wanted, int | float):
        return found == wanted or math.isclose(found, wanted, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    if isinstance(found, dict) and isinstance(wanted, dict):
        return found.keys() == wanted.keys() and all(
            _alike(found[key], value, in_any_order=in_any_order) for key, value in wanted.items()
        )
    collections = (list, tuple, set, frozenset, values.Items) if in_any_order else (list, tuple)
    if isinstance(found, collections) and isinstance(wanted, collections):
        first, second = list(found), list(wanted)
        if in_any_order and set(map(repr, first)) == set(map(repr, second)):
            return True
        return len(first) == len(second) and all(
            _alike(one, other, in_any_order=in_any_order) for one, other in zip(first, second, strict=True)
        )
    return found == wanted


def comparison_of(benchmark: Benchmark, task: Task) -> str:
    """Return how the results of a task are compared; see :func:`may_be_right`.

    Args:
        benchmark: benchmark of the task.
        task: the task.
    """
    from evalplus.eval._special_oracle import MBPP_OUTPUT_NOT_NONE_TASKS

    name = task.entry_point
    if name in (*INPUT_ORACLES, "sum_div"):
        return "number"
    if benchmark.definition.scoring == "evalplus_mbpp":
        if name == "are_equivalent":  # EvalPlus accepts every result
            return "any"
        if name in MBPP_OUTPUT_NOT_NONE_TASKS:
            return "not_none"
    if benchmark.definition.scoring == "check_function":
        sorts = any(name in task.tests for name in ("set(", "sorted(", "Counter("))
    else:
        sorts = accepts_iterables(benchmark.definition.scoring, task)
    if sorts:
        return "set"
    return "equal"
