"""The matrix of implementations and tests, with the sandbox."""

from __future__ import annotations

import ast

import pytest
from tests.curate.test_quality import response

from selfalign.core.errors import DataError
from selfalign.core.jsonl import read_jsonl, write_jsonl
from selfalign.curate.matrix import NO_PRELOAD, PRELOADS, Matrix, group_cells, imported_packages, matrix_file
from selfalign.sandbox import Limits, Program, open_pool

# Of each index: sample, whether it passed its own tests, implementation, tests.
RESPONSES = {
    4: [
        (0, True, "def double(x):\n    return 2 * x", "assert double(1) == 2\nassert double(0) == 0"),
        (1, True, "def double(x):\n    '''Twice.'''\n    return 2 * x  # twice", "assert double(3) == 6"),
        (2, False, "def double(x):\n    return x ** 2", "assert double(3) == 6  # the same tests"),
        (3, True, "def twice(x):\n    return 2 * x", "assert twice(3) == 6"),
        (4, False, "def double(x):\n    return 2 * x", "assert double(1) == 3"),
        (5, True, "def double(x):\n    return 2 * x", "assert True"),
        (6, False, "def double(x:\n    return 2 * x", "assert double(1) == 2"),
    ],
    2: [
        (0, True, "import math\n\ndef root(x):\n    return math.sqrt(x)", "assert math.isclose(root(4), 2)"),
        (1, True, "def root(x):\n    return x ** 0.5", "def test():\n    assert root(4) == 2\ntest()"),
    ],
    7: [(0, True, "def f(x):\n    return x", "assert f(1)" + ".x()" * 900)],
}  # fmt: skip


def rows(responses, passed):
    for index, samples in responses.items():
        for number, passes, implementation, tests in samples:
            if passes == passed:
                lineage = {"sample": {"number": number}}
                text = response(implementation, tests)["response"]
                yield {"index": index, "instruction": f"Task {index}.", "response": text, "lineage": lineage}


@pytest.fixture
def make(tmp_path):
    """A function that makes the matrices of some responses; returns counts, matrices and dropped rows."""

    def run(responses, name="matrix", **options):
        write_jsonl(tmp_path / "passing.jsonl", rows(responses, passed=True))
        failed = ({**row, "reason": "assertion", "detail": None} for row in rows(responses, passed=False))
        write_jsonl(tmp_path / "failed.jsonl", failed)
        counts = matrix_file(
            [tmp_path / "passing.jsonl"],
            [tmp_path / "failed.jsonl"],
            tmp_path / f"{name}.jsonl",
            tmp_path / f"{name}.dropped.jsonl",
            cache=tmp_path / "verdicts.sqlite",
            **options,
        )
        matrices, dropped = (list(read_jsonl(tmp_path / f"{name}{end}.jsonl")) for end in ("", ".dropped"))
        return counts.to_json(), matrices, dropped

    return run


def test_every_implementation_runs_with_the_tests_whose_names_it_defines(make):
    counts, matrices, dropped = make(RESPONSES)
    root, double, nested = matrices
    assert double == {
        "index": 4,
        "instruction": "Task 4.",
        "implementations": [["4.0", "4.1", "4.4"], ["4.2"], ["4.3"]],
        "tests": [["4.0"], ["4.1", "4.2"], ["4.3"], ["4.4"]],
        "verdicts": [
            ["passed", "passed", "names_differ", "assertion"],
            ["assertion", "assertion", "names_differ", "assertion"],
            ["names_differ", "names_differ", "passed", "names_differ"],
        ],
        "unusable": {"4.5": "no_name_used", "4.6": "incomplete_code"},
    }
    # The tests of the first need an import of its implementation.
    assert root["verdicts"] == [["passed", "passed"], ["passed", "passed"]]
    assert nested["unusable"] == {"7.0": "nested_too_deeply"}
    assert nested["verdicts"] == []
    assert counts == {
        "step": "matrix",
        "in": 10,
        "out": 7,
        "dropped": {"incomplete_code": 1, "nested_too_deeply": 1, "no_name_used": 1},
        "extra": {
            "instructions": 3,
            "programs": 11,
            # Of index 4: 5 usable responses with 4 siblings each, of index 2: 2 with 1.
            "sibling_pairs": 22,
            # All pairs but the 8 with 4.3, whose function has another name.
            "sibling_pairs_run": 14,
            # 4.0 passes the tests of 4.1 and 4.2; 4.1 those of 4.0 and 4.2; 4.4 those of the three; index 2: both.
            "sibling_pairs_passed": 9,
        },
    }
    assert [(row["index"], row["reason"]) for row in dropped] == [
        (4, "no_name_used"),
        (4, "incomplete_code"),
        (7, "nested_too_deeply"),
    ]
    assert "detail" not in dropped[1]


def test_the_bytes_are_the_same_with_any_number_of_workers_and_from_the_cache(make, tmp_path):
    texts = []
    for workers in (1, 2):
        make(RESPONSES, f"with{workers}", workers=workers)
        texts.append((tmp_path / f"with{workers}.jsonl").read_bytes())
    assert texts[0] == texts[1]


def test_rows_that_are_no_samples_of_a_record_are_refused(make, tmp_path):
    with pytest.raises(DataError, match="expected each sample once, found two rows with index 2"):
        make({2: [RESPONSES[2][0], RESPONSES[2][0]]})
    write_jsonl(tmp_path / "rows.jsonl", [response()])
    with pytest.raises(
        DataError, match=r"rows.jsonl, record 1, field 'index'.*expected the index of the seed"
    ):
        matrix_file([tmp_path / "rows.jsonl"], [], tmp_path / "out.jsonl")
    assert not (tmp_path / "out.jsonl").exists()
    first, second = (
        {**response(), "index": 0, "instruction": text, "lineage": {"sample": {"number": number}}}
        for number, text in enumerate(("Add.", "Subtract."))
    )
    write_jsonl(tmp_path / "rows.jsonl", [first, second])
    with pytest.raises(DataError, match=r"rows.jsonl, record 2, field 'instruction': .*another one"):
        matrix_file([tmp_path / "rows.jsonl"], [], tmp_path / "out.jsonl")
    write_jsonl(tmp_path / "rows.jsonl", [{**first, "lineage": {"sample": {"number": None}}}])
    with pytest.raises(DataError, match=r"'lineage.sample.number': expected an integer, found NoneType"):
        matrix_file([tmp_path / "rows.jsonl"], [], tmp_path / "out.jsonl")


def test_responses_that_have_no_others_to_agree_with_are_reported(make, caplog):
    make({2: RESPONSES[2]})
    assert "no instruction has two usable responses" not in caplog.text
    make({2: RESPONSES[2][:1]})
    assert "no instruction has two usable responses" in caplog.text


# Implementations of `f(x)`, which returns x + 1, whose state at import is unusual; most of them import modules that are
# preloaded. With the statuses of TESTS.
IMPLEMENTATIONS = {
    "def f(x):\n    return x + 1": ["passed", "passed", "passed"],
    "import statistics\n\ndef f(x):\n    return statistics.mean([x, x + 2])": ["passed", "passed", "passed"],
    # What the code changes must not be seen by another cell.
    "import heapq\nimport statistics\nheapq.heappop = None\nstatistics.mean = lambda values: 0\n\n"
    "def f(x):\n    return statistics.mean([x])": ["assertion", "assertion", "early_exit"],
    "import builtins\nimport heapq\nbuiltins.sorted = builtins.abs = None\n\n"
    "def f(x):\n    return x + 1": ["passed", "exception", "exception"],
    "import decimal\ndecimal.getcontext().prec = 1\ncalls = []\n\n"
    "def f(x):\n    calls.append(x)\n    return x + len(calls)": ["passed", "assertion", "passed"],
    "import logging\nimport random\nlogging.disable()\n\n"
    "def f(x):\n    return x + round(random.random() / 0.8444218515250481)": ["passed", "passed", "passed"],
    "import pathlib\nmark = pathlib.Path('mark')\nnew = not mark.exists()\nmark.write_text('')\n\n"
    "def f(x):\n    return x + new": ["passed", "passed", "passed"],
    "import sys\nimport unittest\nsys.exit(0)\n\ndef f(x):\n    return x + 1": ["early_exit"] * 3,
    "import fractions\n\ndef f(x):\n    return x + 1\n\nwhile True:\n    pass": ["timeout"] * 3,
    "import threading\nbox = []\nthread = threading.Thread(target=box.append, args=[1])\nthread.start()\n\n"
    "def f(x):\n    thread.join()\n    return x + box[0]": ["passed", "passed", "passed"],
    "import datetime\nprint(datetime.date.today())\nprint('x' * 5000)\n\n"
    "def f(x):\n    print(x)\n    return x + 1": ["output"] * 3,
    "import numpy as np\nnp.seterr(all='raise')\nnp.sum = None\n\n"
    "def f(x):\n    return int(np.float64(x) + 1)": ["passed", "passed", "passed"],
    "import numpy as np\n\ndef f(x):\n    return int(np.sum([x, 1]) / np.float64(bool(x)))": [
        "passed",
        "passed",
        "passed",
    ],
}  # fmt: skip
TESTS = (
    "assert f(1) == 2",
    "import heapq\n\ndef test():\n    assert sorted([f(2), f(1)]) == [2, 3]\n\ntest()",
    "import unittest\n\nclass TestF(unittest.TestCase):\n    def test(self):\n        self.assertEqual(f(1), 2)\n\n"
    "unittest.main()",
)


@pytest.fixture
def opened(monkeypatch):
    """The modules that the pools of :mod:`selfalign.curate.matrix` have imported beforehand, in the order of their start."""
    warmed = []

    def open_noted(*arguments, warm, **options):
        warmed.append([piece.removeprefix("import ") for piece in warm])
        return open_pool(*arguments, warm=warm, **options)

    monkeypatch.setattr("selfalign.curate.matrix.open_pool", open_noted)
    return warmed


def test_preloaded_modules_do_not_change_a_verdict(tmp_path, monkeypatch, opened):
    samples = [
        (number, True, code, TESTS[number % len(TESTS)]) for number, code in enumerate(IMPLEMENTATIONS)
    ]
    write_jsonl(tmp_path / "rows.jsonl", rows({1: samples}, passed=True))
    limits = Limits(cpu_s=1, output_kb=4)
    found = {}
    for way, seconds in (("one by one", 1e9), ("preloaded", 0)):
        monkeypatch.setattr("selfalign.curate.matrix.OPENING_S", seconds)
        matrix_file([tmp_path / "rows.jsonl"], [], tmp_path / "matrix.jsonl", limits=limits)
        (row,) = read_jsonl(tmp_path / "matrix.jsonl")
        assert row["unusable"] == {}
        found[way] = dict(zip(IMPLEMENTATIONS, row["verdicts"], strict=True))
    assert found["one by one"] == found["preloaded"] == IMPLEMENTATIONS
    assert opened[0] == []
    assert [modules[:1] for modules in opened[1:]] == [[], ["calendar"], ["numpy"]]


def test_sandboxes_of_few_cells_and_of_other_hosts_preload_nothing():
    matrix = Matrix(1, "Task 1.")
    matrix.add("1.0", response("import numpy\n\ndef f(x):\n    return x + 1", TESTS[0])["response"])
    cells = [*matrix.mark()] * 25
    (numpy, *_) = PRELOADS
    assert group_cells(cells, workers=2) == {numpy: cells}
    assert group_cells(cells[1:], workers=2) == {NO_PRELOAD: cells[1:]}
    assert group_cells(cells, "http://sandbox:8000", workers=2) == {NO_PRELOAD: cells}


@pytest.mark.parametrize("preload", PRELOADS, ids=lambda preload: preload.modules[0])
def test_preloaded_modules_leave_no_threads_and_no_files(preload):
    source = (
        "import os, sys\n"
        "threads = [line for line in open('/proc/1/status') if line.startswith('Threads:')]\n"
        f"missing = [name for name in {preload.modules} if name not in sys.modules]\n"
        "print(threads, missing, os.listdir('.'))\n"
    )
    warm = [f"import {name}" for name in preload.modules]
    with open_pool("bubblewrap", workers=1, warm=warm) as pool:
        (verdict,) = pool.run([Program("state", source)])
    assert verdict.stdout == "['Threads:\\t1\\n'] [] []\n"


@pytest.mark.parametrize(
    ("code", "packages"),
    [
        ("import numpy as np\nfrom os.path import join", None),
        ("from collections import deque\n\ndef f():\n    import heapq", {"collections", "heapq"}),
        ("from unittest import TestCase\nfrom urllib.parse import quote", {"unittest", "urllib"}),
        ("from unittest import mock", None),
        ("from unittest.mock import patch", None),
        ("import re\nre.compile = None", None),
        ("import re as r\ndel r.compile", None),
        ("import decimal\ndecimal.getcontext().prec = 1", None),
        ("import logging\nlogging.disable()\nx = {}\nx[1] = 2\nx.y = 3", {"logging"}),
        ("import re\nsetattr(re, 'compile', None)", None),
        ("__builtins__.len = None", None),
        ("import pathlib\npathlib.Path('heapq.py').write_text('')", None),
        ("from . import heapq", set()),
    ],
)
def test_code_that_may_change_an_import_has_none_before_it(code, packages):
    assert imported_packages(ast.parse(code)) == packages
