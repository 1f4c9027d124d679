"""The tests of HumanEval and MBPP run apart from the answer, and see what they would see of a function beside them."""

from __future__ import annotations

import pytest

from selfalign.evaluate.samples import Sample
from selfalign.evaluate.scorers import build_scorer


@pytest.fixture(scope="module")
def check(make_benchmark, judge):
    """Score answers to a HumanEval task with the given tests and reference solution."""

    def run(tests, reference, *answers):
        record = {
            "task_id": "HumanEval/950",
            "prompt": "",
            "entry_point": "f",
            "canonical_solution": reference,
            "test": tests,
        }
        benchmark = make_benchmark("humaneval", [record])
        samples = [Sample(benchmark.tasks[0], number, answer) for number, answer in enumerate(answers)]
        return [verdict["base"] for verdict in judge(build_scorer(benchmark, None), samples)]

    return run


def _passes(verdicts):
    return [verdict["status"] == "pass" for verdict in verdicts]


def test_iterators_are_consumed_by_the_test(check):
    tests = "def check(candidate):\n    assert list(candidate(3)) == [0, 1, 2]\n    assert tuple(candidate(0)) == ()\n"
    answers = [
        "def f(n): return range(n)",
        "def f(n):\n    yield from range(n)",
        "def f(n): return map(int, range(n))",
        "def f(n): return iter(range(n + 1))",
        "class Numbers:\n    def __init__(self, n): self.n = n\n    def __iter__(self): return iter(range(self.n))\nf = Numbers",
    ]
    assert _passes(check(tests, "def f(n): return list(range(n))", *answers)) == [
        True,
        True,
        True,
        False,
        True,
    ]


def test_changes_of_arguments_are_seen(check):
    tests = (
        "def check(candidate):\n"
        "    values = [3, 1, 2]\n    assert candidate(values) is None\n    assert values == [1, 2, 3]\n"
        "    table = {'a': [1]}\n    candidate(table['a'])\n    assert table == {'a': [1]}\n"
        "    assert candidate(values) is None and values[0] == 1\n"
    )
    answers = ["def f(v): v.sort()", "def f(v): sorted(v)", "def f(v):\n    v.sort()\n    v.append(0)"]
    assert _passes(check(tests, "def f(v): v.sort()", *answers)) == [True, False, False]


def test_exceptions_can_be_expected(check):
    tests = (
        "def check(candidate):\n"
        "    try:\n        candidate(-1)\n    except ValueError as error:\n        pass\n"
        "    else:\n        assert False\n"
        "    assert candidate(4) == 2\n"
    )
    answers = [
        "def f(n):\n    if n < 0: raise ValueError('negative')\n    return n // 2",
        "class Negative(ValueError): pass\ndef f(n):\n    if n < 0: raise Negative(n)\n    return n // 2",
        "def f(n):\n    if n < 0: raise KeyError\n    return n // 2",
        "def f(n): return n // 2",
    ]
    found = check(tests, answers[0], *answers)
    assert _passes(found) == [True, True, False, False]
    assert [verdict["reason"] for verdict in found[2:]] == ["KeyError", "AssertionError"]


def test_calls_that_depend_on_earlier_results_are_made(check):
    """Here the answer's calls differ from those of the reference solution."""
    tests = (
        "def check(candidate):\n    token = candidate('open', '')\n    for step in range(5):\n"
        "        token = candidate('next', token)\n    assert candidate('close', token) == 5\n"
    )
    right = "def f(what, token):\n    return '' if what == 'open' else token + '{0}' if what == 'next' else len(token) // {1}"
    answers = [right.format("ab", 2), right.format("xyz", 3), right.format("ab", 1)]
    assert _passes(check(tests, right.format("x", 1), *answers)) == [True, True, False]


def test_helpers_of_the_prompt_are_the_references_own(check):
    """An answer cannot replace what the test calls to prepare its inputs."""
    reference = "def code(s): return s[::-1]\ndef f(s): return s[::-1]"
    tests = "def check(candidate):\n    assert candidate(code('abc')) == 'abc'\n"
    answers = [reference, "def code(s): return s\ndef f(s): return s"]
    assert _passes(check(tests, reference, *answers)) == [True, False]


def test_an_endless_answer_is_a_timeout_even_if_the_test_catches_it(check):
    tests = "def check(candidate):\n    try:\n        candidate(1)\n    except BaseException:\n        pass\n    assert candidate(2) == 2\n"
    (endless,) = check(tests, "def f(n): return n", "def f(n):\n    while n == 1: pass\n    return n")
    assert endless["status"] == "timeout"


PAIR = (
    "class Pair:\n    def __init__(self, a, b):\n        self.a = a\n        self.b = b\n"
    "def longest(pairs):\n    return max(each.b - each.a for each in pairs)\n"
)
TREE = "class Node:\n    def __init__(self, value):\n        self.value = value\n        self.left = None\n"
DEPTH = "def depth(node): return 0 if node is None else 1 + depth(node.left)\n"


@pytest.fixture(scope="module")
def mbpp(make_benchmark, judge):
    """Score answers to an MBPP task."""

    def run(code, tests, *answers, setup=""):
        record = {"task_id": 1, "text": "Do it.", "code": code, "test_list": tests, "test_setup_code": setup}
        benchmark = make_benchmark("mbpp", [record])
        samples = [Sample(benchmark.tasks[0], number, answer) for number, answer in enumerate(answers)]
        return [verdict["base"] for verdict in judge(build_scorer(benchmark, None), samples)]

    return run


def test_objects_of_the_answers_own_classes_stay_with_it(mbpp):
    tests = ["assert longest([Pair(1, 5), Pair(2, 9)]) == 7", "assert longest([Pair(0, 0)]) == 0"]
    found = mbpp(PAIR, tests, PAIR, PAIR.replace("max", "min"), "def longest(pairs): return 7\n")
    assert _passes(found) == [True, False, False]
    assert found[2]["reason"] == "KeyError"


def test_setup_code_uses_the_answers_own_classes(mbpp):
    tests = ["assert depth(root) == 2", "assert depth(root.left) == 1"]
    wrong = TREE + "def depth(node): return 2\n"
    setup = "root = Node(1)\nroot.left = Node(2)"
    assert _passes(mbpp(TREE + DEPTH, tests, TREE + DEPTH, wrong, setup=setup)) == [True, False]


def test_an_argument_without_a_plain_form_is_named(mbpp):
    code = "def apply(function, x): return function(x)\n"
    (found,) = mbpp(code, ["assert apply(lambda x: x + 1, 1) == 2"], code)
    assert (found["status"], found["reason"]) == ("fail", "unserialisable argument: function")
