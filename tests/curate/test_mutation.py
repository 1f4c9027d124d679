"""Trivial tests, found by running them with the functions replaced by stubs."""

import pytest
from tests.curate.test_quality import response

from selfalign.core.config.curation import MutationConfig
from selfalign.core.jsonl import read_jsonl, write_jsonl
from selfalign.curate.mutation import mutants, nontrivial_tests_file, stub_functions

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


CLAMP = '''def clamp(x: int = 3, most=10):
    """Limit x."""
    if x > most:
        return most
    return x + 0'''


def test_mutants_are_bounded_and_the_same_every_time():
    text = response(CLAMP, "assert clamp(12) == 10")["response"]
    found = mutants(text, 100)
    assert [each.name for each in found] == [
        "stub",
        "branch in line 3",
        "comparison in line 3",
        "constant in line 1",
        "operator in line 5",
        "constant in line 1",
        "constant in line 5",
    ]
    assert found == mutants(text, 100)
    assert found[:3] == mutants(text, 2)
    assert len({each.program for each in found}) == len(found)
    changed = dict(zip((each.name for each in found), (each.program for each in found), strict=True))
    assert "if False:" in changed["branch in line 3"]
    assert "if x >= most:" in changed["comparison in line 3"]
    assert "return x - 0" in changed["operator in line 5"]
    assert "most=11" in changed["constant in line 1"]
    assert all("assert clamp(12) == 10" in each.program for each in found)


@pytest.mark.parametrize(
    ("line", "kind", "changed"),
    [
        ("return a == b", "comparison", "return a != b"),
        ("return a in b", "comparison", "return a not in b"),
        ("return a and b", "operator", "return a or b"),
        ("a += b", "operator", "a -= b"),
        ("return a // b", "operator", "return a * b"),
        ("return 'x'", "constant", "return 'xx'"),
        ("return True", "constant", "return False"),
        ("return 2.5", "constant", "return 3.5"),
        ("return a if b else None", "branch", "return a if False else None"),
    ],
)
def test_every_kind_of_change(line, kind, changed):
    _, mutant = mutants(response(f"def f(a, b):\n    {line}")["response"], 10)
    assert (mutant.kind, mutant.line) == (kind, 2)
    assert f"    {changed}\n" in mutant.program


def test_docstrings_annotations_and_f_strings_are_not_changed():
    code = "def f(a: 'int' = b) -> 'str':\n    'Text.'\n    c: 'int' = a\n    return f'{c} = {a!r}'"
    assert [each.kind for each in mutants(response(code)["response"], 10)] == ["stub"]
    module = f"'Text of the module.'\n{code}"
    assert [each.kind for each in mutants(response(module)["response"], 10)] == ["stub"]


UNITTEST = """import unittest
class T(unittest.TestCase):
    def test(self):
        self.assertEqual(clamp(12), 10)
unittest.main(exit=False)"""


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """Kept rows and dropped rows by name, for a minimum kill rate of 0.6."""
    directory = tmp_path_factory.mktemp("mutation")
    lineage = {"lineage": {"sample": {"number": 0}}}
    rows = {
        "strict": response(CLAMP, "assert clamp(12) == 10\nassert clamp(10) == 10\nassert clamp(3, 2) == 2\nassert clamp() == 3"),
        "lax": response(CLAMP, "assert clamp(1) is not None"),
        "trivial": response(CLAMP, "assert clamp is not None"),
        "no code": response("x = y = None", "assert x is None"),
        "hides": response(CLAMP, UNITTEST),
    }  # fmt: skip
    write_jsonl(directory / "in.jsonl", ({**row, "name": name, **lineage} for name, row in rows.items()))
    counts = nontrivial_tests_file(
        directory / "in.jsonl",
        directory / "out.jsonl",
        directory / "dropped.jsonl",
        mutation=MutationConfig(min_kill_rate=0.6),
    )
    kept, dropped = (
        {row["name"]: row for row in read_jsonl(directory / name)} for name in ("out.jsonl", "dropped.jsonl")
    )
    return counts.to_json(), kept, dropped


def test_rows_whose_tests_kill_too_few_mutants_are_dropped(judged):
    counts, kept, dropped = judged
    assert counts["dropped"] == {"low_kill_rate": len(dropped) - 1, "trivial_tests": 1}
    assert dropped["trivial"]["reason"] == "trivial_tests"
    assert dropped["lax"]["detail"]["kill_rate"] == round(1 / 7, 4)
    assert "stub" not in dropped["lax"]["detail"]["survivors"]
    assert kept["no code"]["test_kill_rate"] is None
    assert kept["no code"]["lineage"]["mutation"] == {"mutants": 0, "survivors": []}
    # Equivalent: `x >= most` returns the same. `x + 0` and `x - 0` are the same too.
    assert kept["strict"]["lineage"]["mutation"]["survivors"] == [
        "comparison in line 3",
        "operator in line 5",
    ]
    assert kept["strict"]["test_kill_rate"] == round(5 / 7, 4)


def test_the_stub_alone_is_no_kill_rate(outcome):
    assert all("test_kill_rate" not in row for row in outcome[1])
