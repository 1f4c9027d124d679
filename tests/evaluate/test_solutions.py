"""Contamination by execution: which functions of rows count as solutions of benchmark tasks."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.evaluate.own_records import CONTEST, EVALPLUS, EVOEVAL, FIND_ZERO, HUMANEVAL, MBPP

from selfalign.core.config.evaluation import EvaluationConfig
from selfalign.core.errors import ConfigError, DataError
from selfalign.core.jsonl import read_json, read_jsonl, write_jsonl
from selfalign.curate.decontaminate import decontaminate_by_execution_file
from selfalign.evaluate import solutions
from selfalign.evaluate.result_comparison import may_be_right
from selfalign.evaluate.solutions import SearchedBenchmark, find_solutions_file

# Tasks with results of several kinds. Of 'vowels' the added tests tell a near miss from a solution.
TASKS = [
    *EVALPLUS,
    {
        "task_id": "HumanEval/910",
        "prompt": "def vowels(text):\n    '''Count the vowels.'''\n",
        "entry_point": "vowels",
        "canonical_solution": "    return sum(letter in 'aeiouAEIOU' for letter in text)\n",
        "base_input": [["banana"], ["xyz"], ["queue"]],
        "plus_input": [["A" * number + "e"] for number in range(30)],
        "atol": 0,
    },
    {
        "task_id": "HumanEval/911",
        "prompt": "def is_prime(n):\n    '''Tell whether n is a prime.'''\n",
        "entry_point": "is_prime",
        "canonical_solution": "    return n > 1 and all(n % d for d in range(2, n))\n",
        "base_input": [[2], [9], [13]],
        "plus_input": [[number] for number in range(60)],
        "atol": 0,
    },
    {
        "task_id": "HumanEval/912",
        "prompt": "def ordered(values):\n    '''Sort in place and return the list.'''\n",
        "entry_point": "ordered",
        "canonical_solution": "    return sorted(values)\n",
        "base_input": [[[3, 1, 2]], [[]]],
        "plus_input": [[[5, -1, 5, 0]], [[0.5, 0.25]]],
        "atol": 0,
    },
]
RENAMED = "def split_in_two(numbers):\n    return [number / 2 for number in numbers]"
PARAPHRASED = (
    "import re\nVOWELS = re.compile('[aeiou]', re.IGNORECASE)\n"
    "def count_matches(sentence: str) -> int:\n    return len(VOWELS.findall(sentence))"
)
SIEVE = (
    "def has_no_divisor(k):\n    if k < 2:\n        return False\n    d = 2\n    while d * d <= k:\n"
    "        if k % d == 0:\n            return False\n        d += 1\n    return True"
)
IN_PLACE = "def bubble(xs):\n    xs.sort()\n    return xs"
SUM = "def total(a, b=0, *rest):\n    return sum([a, b, *rest])"


def rows_of(*codes: str) -> list[dict]:
    return [
        {
            "index": number,
            "instruction": f"Task {number}.",
            "response": f"Here.\n```python\n{code}\n```\n",
            "lineage": {"seed": {"file": f"{number}.py"}},
        }
        for number, code in enumerate(codes)
    ]


@pytest.fixture(scope="module")
def search(make_benchmark, tmp_path_factory):
    """Write rows with these functions and search them; return solutions by (row, task) and the counts."""
    truths: dict[str, Path] = {}

    def run(*codes: str, name="humaneval_plus", records=None, cache=None):
        directory = tmp_path_factory.mktemp("solutions")
        benchmark = make_benchmark(name, TASKS if records is None else records)
        key = json.dumps([name, records])
        truth = truths.setdefault(key, directory / "truth.jsonl")
        write_jsonl(directory / "rows.jsonl", rows_of(*codes))
        counts = find_solutions_file(
            directory / "rows.jsonl",
            SearchedBenchmark(benchmark, truth, EvaluationConfig()),
            directory / "solutions.jsonl",
            directory / "counts.json",
            cache=cache,
        )
        assert read_json(directory / "counts.json") == counts
        found = list(read_jsonl(directory / "solutions.jsonl"))
        return {(each["line"] - 1, each["task_id"]): each for each in found}, counts

    return run


def solved(found):
    return {key for key, each in found.items() if each["solved"]}


def test_renamed_and_paraphrased_solutions_are_found(search):
    found, counts = search(RENAMED, PARAPHRASED, SIEVE, IN_PLACE, SUM, RENAMED)
    assert solved(found) == {
        (0, "HumanEval/900"),
        (1, "HumanEval/910"),
        (2, "HumanEval/911"),
        (3, "HumanEval/912"),
        (4, "HumanEval/901"),
        (5, "HumanEval/900"),
    }
    assert counts["solved_tasks"] == [task["task_id"] for task in TASKS]
    assert counts["solving_rows"] == counts["rows"] == 6
    assert counts["functions"] == 5
    assert counts["unfinished"] == {}
    assert found[1, "HumanEval/910"] == {
        "benchmark": "humaneval_plus",
        "version": "test",
        "task_id": "HumanEval/910",
        "line": 2,
        "row": "1.0",
        "function": "count_matches",
        "solved": True,
        "tests_passed": 33,
        "tests": 33,
        "share": 1.0,
        "lineage": {"seed": {"file": "1.py"}},
    }


# Wrong for 49 only, of 63 tests.
NEAR_MISS = "def almost(n):\n    return n > 1 and all(n % d for d in (2, 3, 5) if n != d)"


def test_near_misses_are_listed_with_their_share_and_solve_nothing(search):
    found, counts = search(
        NEAR_MISS,
        # Passes the original tests, but does not count capitals.
        "def lower(text):\n    return sum(text.count(vowel) for vowel in 'aeiou')",
        "def odd(n):\n    return n % 2 == 1",
        "def same(x):\n    return x",
        "def product(a, b):\n    return a * b",
    )
    assert counts["solved_tasks"] == []
    assert counts["solving_rows"] == 0
    ((key, near_miss),) = found.items()
    assert key == (0, "HumanEval/911")
    assert not near_miss["solved"]
    assert (near_miss["tests_passed"], near_miss["tests"], near_miss["share"]) == (62, 63, 62 / 63)


def test_near_misses_are_not_listed_where_any_number_may_be_right(search):
    found, _ = search("def number(c):\n    return len(c)", name="humaneval_plus", records=[FIND_ZERO])
    assert found == {}


PROGRAMS = """
import os
def ends_its_process(x):
    os._exit(0)
    return 1
---
import os
def ends_its_process_by_a_signal(x):
    os.kill(os.getpid(), 9)
    return 1
---
def raises_what_nobody_catches(x):
    raise SystemExit(0)
    return 1
---
def never_returns(x):
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass
    return 1
---
def takes_all_memory(x):
    kept = []
    while True:
        kept.append(bytearray(1 << 24))
    return kept
---
import os
def starts_processes(x):
    while True:
        os.fork()
    return 1
---
import os
def kills_others(x):
    os.kill(os.getppid(), 9)
    os.kill(-1, 9)
    return 1
---
class Any:
    def __eq__(self, other):
        return True
    def __hash__(self):
        return 1
    def __len__(self):
        return 1
    def __iter__(self):
        return iter([self])
def equals_everything(x):
    return Any()
---
class Any(int):
    def __eq__(self, other):
        return True
    __hash__ = int.__hash__
def is_a_number_that_equals_everything(x):
    return Any(7)
---
import os
LINES = b'passed\\n{"solved": true}\\n[[], true]\\n\\n[1]\\n["true", "true"]\\n'
def writes_verdicts(x):
    for descriptor in range(3, 30):
        try:
            os.write(descriptor, LINES)
        except OSError:
            pass
    return 1
---
import os
def writes_without_end(x):
    while True:
        for descriptor in range(3, 30):
            try:
                os.write(descriptor, b'[' * 65536)
            except OSError:
                pass
    return 1
---
import json, sys
def replaces_the_harness(x):
    for module in list(sys.modules.values()):
        if hasattr(module, 'dumps'):
            module.dumps = lambda *a, **k: 'true'
    return True
---
import gc
def looks_for_expected_results(x):
    for each in gc.get_objects():
        if isinstance(each, dict) and 'outputs' in each:
            return each['outputs']
    return 1
---
raised = 1 / 0
def cannot_be_defined(x):
    return raised
"""
HOSTILE = PROGRAMS.split("---\n")


def test_hostile_functions_forge_nothing_and_stop_nothing(search, monkeypatch):
    monkeypatch.setattr(solutions, "MAX_PROGRAMS", 2)
    small = replace(solutions.LIMITS, wall_s=8, cpu_s=1, memory_mb=256, output_kb=256)
    monkeypatch.setattr(solutions, "LIMITS", small)
    found, counts = search(*HOSTILE, RENAMED)
    assert solved(found) == {(len(HOSTILE), "HumanEval/900")}
    assert set(found) == solved(found)
    assert counts["functions"] == len(HOSTILE) + 1
    assert counts["unfinished"].pop("not_defined") == 1
    assert set(counts["unfinished"]) <= {"early_exit", "forbidden", "memory", "output", "timeout"}


def test_a_function_that_ends_its_process_on_one_task_is_tried_on_the_others(search):
    code = (
        "import os\ndef f(x):\n    if not isinstance(x, str):\n        os._exit(1)\n"
        "    return sum(letter in 'aeiouAEIOU' for letter in x)"
    )
    found, _ = search(code)
    assert solved(found) == {(0, "HumanEval/910")}


def test_a_function_may_have_the_name_of_another_task(search):
    code = (
        "def is_prime(n):\n    return n / 2\ndef f(values):\n    return [is_prime(each) for each in values]"
    )
    found, _ = search(code)
    assert solved(found) == {(0, "HumanEval/900")}


@pytest.mark.parametrize(
    ("name", "records", "code", "task"),
    [
        ("humaneval", HUMANEVAL, SUM, "HumanEval/901"),
        (
            "mbpp_plus",
            MBPP,
            "def common(left, right):\n    return [x for x in right if x in left]",
            "Mbpp/2",
        ),
        (
            "evoeval",
            EVOEVAL,
            "def width(items):\n    low, *_, high = sorted(items)\n    return high - low",
            "EvoEval/0",
        ),
        (
            "humaneval_plus",
            [FIND_ZERO],
            "def root(c):\n    x = 0.0\n    for _ in range(200):\n        x -= (c[0] + c[1] * x) / c[1]\n    return x + 1e-9",
            "HumanEval/32",
        ),
        (
            "mbpp",
            [
                {
                    "task_id": 900,
                    "text": "Write a function that adds.",
                    "code": "def add(a, b):\n    return a + b",
                    "test_setup_code": "",
                    "test_list": ["assert add(1, 2) == 3", "assert add(-1, 1) == 0"],
                }
            ],
            SUM,
            "MBPP/900",
        ),
    ],
)
def test_every_kind_of_benchmark(search, name, records, code, task):
    wrong = code.replace("return ", "return None and ")
    found, counts = search(code, wrong, name=name, records=records)
    assert solved(found) == {(0, task)}
    assert counts["tasks_without_inputs"] == []


def test_verdicts_are_cached_by_function(search, tmp_path, monkeypatch):
    cache = tmp_path / "verdicts.sqlite"
    first = search(RENAMED, NEAR_MISS, cache=cache)
    ran = []
    whole = solutions.Search._search
    monkeypatch.setattr(
        solutions.Search,
        "_search",
        lambda self, functions: ran.extend(functions) or whole(self, functions),
    )
    assert search(RENAMED, NEAR_MISS, cache=cache) == first
    assert ran == []
    search(RENAMED, SIEVE, cache=cache)
    assert [each.name for each in ran] == ["has_no_divisor"]


def test_functions_that_exceed_the_wall_clock_limit_are_not_cached(search, tmp_path, monkeypatch):
    cache = tmp_path / "verdicts.sqlite"
    monkeypatch.setattr(solutions, "LIMITS", replace(solutions.LIMITS, wall_s=6))
    # Hidden, because functions that wait are left out.
    wait = "from importlib import import_module\nwait = getattr(import_module('time'), 'sle' + 'ep')\n"
    sleeper = f"{wait}def sleeper(x):\n    return wait(60)"
    defined_late = f"{wait}def defined_late(x, y=wait(60)):\n    return x"
    _, counts = search(sleeper, defined_late, RENAMED, cache=cache)
    assert counts["unfinished"] == {"not_defined": 1, "timeout": 1}
    ran = []
    monkeypatch.setattr(
        solutions.Search,
        "_search",
        lambda _, functions: ran.extend(functions) or {each: solutions.Found() for each in functions},
    )
    found, _ = search(sleeper, defined_late, RENAMED, cache=cache)
    assert [each.name for each in ran] == ["sleeper", "defined_late"]
    assert solved(found) == {(2, "HumanEval/900")}


def test_reference_solutions_may_fail_as_far_as_allowed(make_benchmark, tmp_path):
    broken = {
        **HUMANEVAL[0],
        "task_id": "HumanEval/900",
        "entry_point": "broken",
        "prompt": "def broken(left, right):\n",
        "canonical_solution": "    return left - right\n",
        "test": "def check(candidate):\n    assert candidate(1, 2) == 3\n",
    }
    searched = SearchedBenchmark(
        make_benchmark("humaneval", [broken, *HUMANEVAL]),
        time_limits=EvaluationConfig(),
        references=tmp_path / "references.json",
    )
    write_jsonl(tmp_path / "rows.jsonl", rows_of(SUM))
    out = tmp_path / "solutions.jsonl"
    with pytest.raises(DataError, match=r"1 of 2 reference solutions fail .*max_reference_failures, now 0"):
        find_solutions_file(tmp_path / "rows.jsonl", searched, out)
    assert not out.exists()
    find_solutions_file(tmp_path / "rows.jsonl", replace(searched, max_reference_failures=1), out)
    assert "HumanEval/901" in [each["task_id"] for each in read_jsonl(out) if each["solved"]]


def test_a_benchmark_without_functions_is_refused(make_benchmark, tmp_path):
    write_jsonl(tmp_path / "rows.jsonl", rows_of(SUM))
    searched = SearchedBenchmark(make_benchmark("livecodebench", CONTEST))
    with pytest.raises(ConfigError, match=r"livecodebench.*expected HumanEval, "):
        find_solutions_file(tmp_path / "rows.jsonl", searched, tmp_path / "out.jsonl")
    assert not (tmp_path / "out.jsonl").exists()


def solutions_file(path: Path, *found: tuple[int, str, bool]) -> Path:
    write_jsonl(
        path,
        (
            {"benchmark": "humaneval", "task_id": task, "function": "f", "line": line, "solved": solved}
            for line, task, solved in found
        ),
    )
    return path


@pytest.mark.parametrize("drop", [True, False])
def test_rows_that_solve_a_task_are_dropped_or_only_counted(tmp_path, drop):
    rows = rows_of(SUM, RENAMED, SIEVE)
    write_jsonl(tmp_path / "rows.jsonl", rows)
    first = solutions_file(tmp_path / "a.jsonl", (1, "HumanEval/1", True), (2, "HumanEval/2", False))
    second = solutions_file(tmp_path / "b.jsonl", (1, "Mbpp/1", True), (3, "Mbpp/2", True))
    counts = decontaminate_by_execution_file(
        tmp_path / "rows.jsonl",
        [first, second],
        tmp_path / "out.jsonl",
        tmp_path / "dropped.jsonl",
        drop=drop,
    ).to_json()
    assert counts == {
        "step": "decontaminate_by_execution",
        "in": 3,
        "out": 1 if drop else 3,
        "dropped": {"solves_task": 2} if drop else {},
        "extra": {"solving_rows": 2},
    }
    kept, dropped = (list(read_jsonl(tmp_path / name)) for name in ("out.jsonl", "dropped.jsonl"))
    assert kept == ([rows[1]] if drop else rows)
    if drop:
        assert [row["reason"] for row in dropped] == ["solves_task"] * 2
        assert dropped[0]["detail"] == [
            {"benchmark": "humaneval", "task_id": "HumanEval/1", "function": "f"},
            {"benchmark": "humaneval", "task_id": "Mbpp/1", "function": "f"},
        ]


def test_blank_lines_between_rows_are_counted_as_by_the_search(tmp_path):
    clean, solving = rows_of(RENAMED, SUM)
    (tmp_path / "rows.jsonl").write_text(
        f"{json.dumps(clean)}\n\n{json.dumps(solving)}\n{json.dumps(clean)}\n"
    )
    found = solutions_file(tmp_path / "found.jsonl", (3, "HumanEval/1", True))
    decontaminate_by_execution_file(
        tmp_path / "rows.jsonl", [found], tmp_path / "out.jsonl", tmp_path / "dropped.jsonl", drop=True
    )
    assert list(read_jsonl(tmp_path / "out.jsonl")) == [clean, clean]
    (dropped,) = read_jsonl(tmp_path / "dropped.jsonl")
    assert dropped["response"] == solving["response"]


def test_solutions_of_other_rows_are_refused(tmp_path):
    write_jsonl(tmp_path / "rows.jsonl", rows_of(SUM))
    found = solutions_file(tmp_path / "found.jsonl", (2, "HumanEval/1", True))
    with pytest.raises(DataError, match="has no row 2"):
        decontaminate_by_execution_file(tmp_path / "rows.jsonl", [found], tmp_path / "out.jsonl", drop=True)
    assert not (tmp_path / "out.jsonl").exists()


@pytest.mark.parametrize(
    ("result", "expected", "comparison", "answer"),
    [
        ("1", "1", "equal", True),
        ("1", "2", "equal", False),
        ("1.0000001", "1.0", "equal", True),
        ("true", "1", "equal", True),
        ('"1"', "1", "equal", False),
        ("null", "0", "equal", False),
        ('{"tuple":[1,2]}', "[1,2]", "equal", True),
        ("[2,1]", "[1,2]", "equal", False),
        ("[2,1]", "[1,2]", "set", True),
        ('{"dict":[["a"],[1.0]]}', '{"dict":[["a"],[1]]}', "equal", True),
        ('{"dict":[["b"],[1]]}', '{"dict":[["a"],[1]]}', "equal", False),
        ("3", "[1]", "number", True),
        ('"3"', "3", "number", False),
        ('"x"', "true", "not_none", True),
        ("null", "true", "not_none", False),
        ("false", "true", "not_none", False),
        ("anything", "1", "any", True),
        ('{"unserialisable":"object"}', "1", "equal", False),
        ("not JSON", "1", "equal", False),
        ('{"int":"0x1' + "0" * 400 + '"}', "1.5", "equal", False),
        ("[" * 5000, "[1]", "equal", False),
    ],
)
def test_which_results_may_be_right(result, expected, comparison, answer):
    assert may_be_right(result, expected, comparison) is answer
