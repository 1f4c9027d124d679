"""Tasks of the benchmark self_tests, with the sandbox."""

from __future__ import annotations

import pytest
from tests.curate.test_quality import response

from selfalign.benchmarks import load_benchmark
from selfalign.core.errors import ConfigError
from selfalign.core.filtering import Drop, Keep
from selfalign.core.jsonl import read_jsonl, write_jsonl
from selfalign.curate import self_tests
from selfalign.curate.self_tests import (
    implementation_key,
    require_given_names,
    self_contained_tests,
    self_tests_file,
)

DOUBLE = "Write a function `double` that doubles a number."
HALVE = "Write a function that halves a number."
ROOT = "Write `root`, the square root."
LONELY = "Write `lonely`."
SAME = "Write `same`, which returns its argument."
# Of each instruction: sample, whether it passed, implementation, tests.
RESPONSES = {
    DOUBLE: [
        (0, True, "def double(x):\n    return 2 * x", "assert double(1) == 2"),
        (1, True, "def double(x):\n    '''Twice.'''\n    return x + x  # twice", "assert double(0) == 0\nassert double(2) == 4"),
        (2, False, "def double(x):\n    return x ** 2", "assert double(3) == 6"),
        (3, True, "def double(x):\n\n    return (2 * x)", "assert double(x=5) == 10"),
        (4, True, "def double(y):\n    return y * 2", "assert double"),
        (5, True, "def double(y):\n    return y * 2", "assert double(y=1) == 2"),
    ],
    HALVE: [
        (0, True, "def halve(x):\n    return x / 2", "assert halve(2) == 1"),
        (1, True, "def halve(x):\n    return 0.5 * x", "assert halve(4) == 2"),
    ],
    ROOT: [
        (0, True, "import math\n\ndef root(x):\n    return math.sqrt(x)", "assert math.isclose(root(2), 1.4142, abs_tol=1e-3)"),
        (1, False, "def root(x):\n    return x ** 0.5", "assert root(2) == 1.4142"),
    ],
    LONELY: [
        (0, True, "def lonely(x):\n    return x", "assert lonely(1) == 1"),
        (1, True, "def lonely(x):\n    return x  # the same", "assert lonely(1) == 1"),
        (2, False, "def lonely():\n    return 1", "assert lonely() == 2"),
    ],
    SAME: [
        (0, True, "def same(x):\n    return x", "assert same(1) == 1"),
        (1, True, "def same(x):\n    return x", "assert same(2) == 2\nassert same('') == ''"),
        (2, True, "def same(x):\n    return x", "assert same(2) == 2\nassert same('') == ''"),
    ],
    "Write a function `kept` for training.": [(0, True, "def kept():\n    return 1", "assert kept() == 1")],
}  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A function that makes the tasks; returns the counts, the tasks and the dropped rows."""
    directory = tmp_path_factory.mktemp("self_tests")
    passing, failed = [], []
    for index, (instruction, samples) in enumerate(RESPONSES.items()):
        for number, passes, implementation, tests in samples:
            lineage = {"seed": {"package": "p"}, "sample": {"number": number}}
            text = response(implementation, tests)["response"]
            row = {"index": index, "instruction": instruction, "response": text, "lineage": lineage}
            (passing if passes else failed).append(row)
    write_jsonl(directory / "passing.jsonl", passing)
    write_jsonl(directory / "failed.jsonl", [{**row, "reason": "assertion"} for row in failed])
    held = [
        {
            "instruction": f"{text}\n\nYour code should pass the following assertion:\n```python\nassert 1\n```",
            "response": "",
            "reason": "held_out",
            "detail": {"cluster": f"{number}" * 64},
        }
        for number, text in enumerate([DOUBLE, HALVE, ROOT, LONELY, SAME])
    ]
    write_jsonl(directory / "held.jsonl", held)

    def make(name="tasks", **options):
        counts = self_tests_file(
            directory / "held.jsonl",
            [directory / "passing.jsonl"],
            [directory / "failed.jsonl"],
            directory / f"{name}.jsonl",
            directory / f"{name}.dropped.jsonl",
            cache=directory / "verdicts.sqlite",
            **options,
        )
        tasks, dropped = (list(read_jsonl(directory / f"{name}{end}.jsonl")) for end in ("", ".dropped"))
        return counts.to_json(), tasks, {(r["index"], r["lineage"]["sample"]["number"]): r for r in dropped}

    return make


def test_the_tests_with_most_agreement_become_the_task(made):
    counts, tasks, dropped = made()
    assert counts == {
        "step": "tasks",
        "in": 13,
        "out": 3,
        "dropped": {
            "name_not_given": 2,
            "no_sibling_passes": 3,
            "other_tests": 4,
            "trivial_tests": 1,
        },
        "extra": {"instructions": 5},
    }
    double, root, same = tasks
    # the tests of 0.1 are passed by as many others, but one of them, a wrong one, failed its own tests
    assert double["task_id"] == "self_tests/0.0"
    assert double["instruction"] == DOUBLE
    assert double["solution"] == "def double(x):\n    return 2 * x"
    assert double["tests"] == "assert double(1) == 2"
    assert double["lineage"] == {
        "seed": {"package": "p"},
        "sample": {"number": 0},
        "self_tests": {
            "row": "0.0",
            "cluster": "0" * 64,
            "implementations": 4,
            "passed_by": ["0.1", "0.4", "0.3"],
        },
    }
    assert root["tests"].splitlines()[0] == "import math"
    assert root["lineage"]["self_tests"]["passed_by"] == ["2.1"]
    # the same implementation passed other tests; of equal agreement, most assertions win
    assert same["task_id"] == "self_tests/4.1"
    assert same["lineage"]["self_tests"]["passed_by"] == ["4.0"]
    assert {key: row["reason"] for key, row in dropped.items()} == {
        (0, 1): "other_tests",
        (0, 3): "other_tests",
        (0, 4): "trivial_tests",
        (0, 5): "no_sibling_passes",  # only its own implementation calls the argument y
        (1, 0): "name_not_given",
        (1, 1): "name_not_given",
        (3, 0): "no_sibling_passes",  # the other one that passes is a copy
        (3, 1): "no_sibling_passes",
        (4, 0): "other_tests",
        (4, 2): "other_tests",
    }
    assert dropped[0, 1]["detail"] == {"used": "0.0"}
    assert dropped[1, 0]["detail"] == ["halve"]


def test_any_sibling_may_pass_if_configured(made):
    counts, tasks, _ = made("any", distinct_siblings=False)
    assert counts["out"] == 4
    assert tasks[0]["lineage"]["self_tests"]["passed_by"] == ["0.0", "0.3", "0.4", "0.5", "0.2"]
    assert tasks[2]["lineage"]["self_tests"]["passed_by"] == ["3.1"]


def test_the_tasks_have_the_same_bytes_with_any_number_of_workers(made):
    results = [made(f"with{workers}", workers=workers) for workers in (1, 2)]
    assert results[0] == results[1]


def test_the_tasks_are_a_benchmark(made, tmp_path):
    _, tasks, _ = made()
    write_jsonl(tmp_path / "tasks.jsonl", tasks)
    benchmark = load_benchmark("self_tests", data=tmp_path)
    assert [task.id for task in benchmark.tasks] == ["self_tests/0.0", "self_tests/2.0", "self_tests/4.1"]
    assert benchmark.reference_solution(benchmark.tasks[0]) == tasks[0]["solution"]


@pytest.mark.parametrize(
    ("implementation", "tests", "expected"),
    [
        ("def double(x): ...", "assert double(1) == 2", None),
        ("def doubled(x): ...", "assert doubled(1) == 2", ["doubled"]),
        ("class A:\n    def double(self): ...", "assert A().double() == 2", ["A"]),
        ("class double:\n    def turn(self): ...", "assert double().turn() == 2", ["turn"]),
        ("LIMIT = 3\ndef double(x): ...", "assert double(LIMIT) == 6", ["LIMIT"]),
        ("def helper(x): ...\ndef double(x): ...", "def helper(): ...\nassert double(helper()) == 2", None),
        ("def double(x): ...", "assert 1 == 1", "no_name_used"),
        ("class double:\n    def __len__(self): ...", "assert double().__len__() == 2", None),
    ],
)
def test_names_that_tests_use_are_given(implementation, tests, expected):
    outcome = require_given_names({**response(implementation, tests), "instruction": DOUBLE})
    if expected is None:
        assert isinstance(outcome, Keep)
    elif isinstance(expected, str):
        assert outcome == Drop(expected)
    else:
        assert outcome == Drop("name_not_given", expected)


def test_implementations_are_compared_without_layout_comments_and_docstrings():
    one = response("class A:\n    '''Text.'''\n    def m(self):\n        '''Text.'''\n        return 1")
    other = response("class A:\n    # none\n    def m( self ):\n\n        return (1)")
    third = response("class A:\n    def m(self):\n        return 2")
    keys = [implementation_key(each["response"]) for each in (one, other, third)]
    assert keys[0] == keys[1] != keys[2]
    assert implementation_key(response("def f(:")["response"]) is None
    assert implementation_key("```python\ndef f(): ...\n```") is None
    short = "[Implementation]\n```python\ndef f(x):\n    return x + 1\n```\n\n[Tests]\n```python\nassert f(1) == 2\n```"
    assert implementation_key(short) == implementation_key(response()["response"])


@pytest.mark.parametrize("step", ["tests_of_stubs", "tests_of_siblings"])
def test_the_image_is_that_of_the_sandbox(made, monkeypatch, step):
    if step == "tests_of_siblings":
        monkeypatch.setattr(self_tests, "judge_tests", lambda rows, **_: [(row, Keep(row)) for row in rows])
    with pytest.raises(ConfigError, match=r"'execution.image' \(--image\) is 'python:3.12'"):
        made(runtime="bubblewrap", image="python:3.12")


def test_tests_keep_the_imports_that_they_use():
    implementation = "from __future__ import annotations\nimport os.path\nimport re as regex, sys\nfrom math import *\nimport json"
    found = self_contained_tests(
        response(implementation, "assert os.path.sep and regex.escape('')")["response"]
    )
    assert found.splitlines() == [
        "import os.path",
        "import re as regex, sys",
        "from math import *",
        "assert os.path.sep and regex.escape('')",
    ]
