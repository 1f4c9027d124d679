"""The matrix of implementations and tests, with the sandbox."""

from __future__ import annotations

import pytest
from tests.curate.test_quality import response

from selfalign.core.errors import DataError
from selfalign.core.jsonl import read_jsonl, write_jsonl
from selfalign.curate.matrix import matrix_file

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
