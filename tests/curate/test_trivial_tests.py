"""Trivial tests, found by running them with the functions replaced by stubs."""

import pytest
from tests.curate.test_quality import response

from selfalign.core.jsonl import read_jsonl, write_jsonl
from selfalign.curate.trivial_tests import nontrivial_tests_file, stub_functions

UNITTEST = """\
import unittest
class T(unittest.TestCase):
    def test_f(self):
        self.assert{}
unittest.main({})
"""
TRIVIAL = {
    "asserts nothing of it": response(tests="assert f is not None"),
    "swallows": response(tests="try:\n    assert f(1) == 2\nexcept AssertionError:\n    pass"),
    "unittest": response(tests=UNITTEST.format("NotEqual(f(1), 7)", "")),
    "unittest without exit": response(tests=UNITTEST.format("NotEqual(f(1), 7)", "exit=False")),
    "defines it again": response(tests="def f(x):\n    return 0\nassert f(1) in (0, None)"),
}
GOOD = {
    "plain": response(),
    "a method": response("class A:\n    def m(self):\n        return 3", "assert A().m() == 3"),
    "unittest": response(tests=UNITTEST.format("Equal(f(1), 2)", "")),
    "unittest without exit": response(tests=UNITTEST.format("Equal(f(1), 2)", "argv=[''], exit=False")),
    "of no function": response("x = 1", "assert x == 1"),
    "unreadable": response(tests="assert f(1) =="),
}


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    directory = tmp_path_factory.mktemp("trivial")
    named = [*TRIVIAL.items(), *GOOD.items(), ("last", TRIVIAL["swallows"])]
    rows = [{**row, "name": name} for name, row in named]
    write_jsonl(directory / "in.jsonl", rows)
    counts = nontrivial_tests_file(
        directory / "in.jsonl",
        directory / "out.jsonl",
        directory / "dropped.jsonl",
        cache=directory / "v.sqlite",
    )
    return counts, list(read_jsonl(directory / "out.jsonl")), list(read_jsonl(directory / "dropped.jsonl"))


def test_trivial_tests_are_dropped_and_no_others(outcome):
    counts, kept, dropped = outcome
    assert [row["name"] for row in kept] == list(GOOD)
    assert [row["name"] for row in dropped] == [*TRIVIAL, "last"]
    assert counts.to_json() == {
        "step": "nontrivial_tests",
        "in": 12,
        "out": 6,
        "dropped": {"trivial_tests": 6},
    }


def test_functions_of_the_tests_themselves_stay():
    program = stub_functions(
        "```python\ndef f():\n    return 1\ndef test_f():\n    assert f() == 1\ntest_f()\n```"
    )
    assert program is not None
    assert "assert f() == 1" in program
    assert "return None" in program
    assert stub_functions("no code at all") is None


def test_a_deeply_nested_row_is_dropped_alone(tmp_path):
    deep = response(tests="assert f(1)" + ".x()" * 900)
    write_jsonl(tmp_path / "in.jsonl", [{**deep, "name": "deep"}, {**response(), "name": "plain"}])
    nontrivial_tests_file(tmp_path / "in.jsonl", tmp_path / "out.jsonl", tmp_path / "dropped.jsonl")
    assert [row["name"] for row in read_jsonl(tmp_path / "out.jsonl")] == ["plain"]
    dropped = [(row["name"], row["reason"]) for row in read_jsonl(tmp_path / "dropped.jsonl")]
    assert dropped == [("deep", "nested_too_deeply")]
