import json

import pytest
from tests.curate.test_quality import response
from typer.testing import CliRunner

from selfalign.cli import build_app
from selfalign.core.config.base import validate_section
from selfalign.core.config.curation import CurationConfig
from selfalign.core.jsonl import read_jsonl, write_jsonl
from selfalign.curate.select import select_file

SENTENCE = "Write a function that returns the sum of all even numbers in a list and ignores every odd one"


def rows():
    """Pairs that are alike in exactly one part."""
    first = response("def add(a, b):\n    return a + b", "assert add(1, 2) == 3")
    return [
        {**first, "instruction": SENTENCE},
        {**response("x = 1"), "instruction": f"{SENTENCE} please"},
        {
            **first,
            "instruction": "Add two.",
            "response": first["response"].replace("assert add(1", "assert  add(4"),
        },
        {**response("y = 2"), "instruction": "Something else entirely."},
    ]


def select(tmp_path, table, **settings):
    write_jsonl(tmp_path / "in.jsonl", table)
    config = validate_section(CurationConfig, settings)
    counts = select_file(tmp_path / "in.jsonl", tmp_path / "out.jsonl", tmp_path / "dropped.jsonl", config)
    assert counts.records_in == len(table)
    return counts.dropped, list(read_jsonl(tmp_path / "dropped.jsonl"))


def test_by_default_only_exact_repetitions_go(tmp_path):
    table = [*rows(), rows()[0]]
    assert select(tmp_path, table)[0] == {"repeated_instruction": 1}


def test_a_near_duplicate_instruction_goes_and_names_the_earlier_one(tmp_path):
    table = [{**row, "index": number, "lineage": {}} for number, row in enumerate(rows())]
    dropped, found = select(tmp_path, table, duplicates={"near": ["instruction"]})
    assert dropped == {"near_duplicate_instruction": 1}
    assert {found[0]["index"], int(found[0]["detail"]["of"].split(".")[0])} == {0, 1}


def test_repeated_code_goes(tmp_path):
    assert select(tmp_path, rows(), duplicates={"exact": ["code"]})[0] == {"repeated_code": 1}


def test_an_instruction_may_have_several_responses(tmp_path):
    table = [
        {**response(f"def f(x):\n    return {n}"), "instruction": "Do  it." if n else "Do it."}
        for n in range(5)
    ]
    assert select(tmp_path, table, duplicates={"per_instruction": 3})[0] == {"repeated_instruction": 2}
    settings = {"per_instruction": 3, "near": ["instruction"]}
    assert select(tmp_path, table, duplicates=settings)[0] == {"repeated_instruction": 2}


def test_several_responses_do_not_save_an_instruction_like_another(tmp_path):
    table = [
        {**response(f"def f(x):\n    return {n}"), "instruction": f"{SENTENCE} please" if n % 2 else SENTENCE}
        for n in range(6)
    ]
    settings = {"per_instruction": 3, "near": ["instruction"]}
    assert select(tmp_path, table, duplicates=settings)[0] == {"near_duplicate_instruction": 3}


def test_no_more_rows_than_wanted(tmp_path):
    assert select(tmp_path, rows(), max_rows=3)[0] == {"beyond_max_rows": 1}


def test_the_same_options_on_the_command_line(tmp_path):
    table = [*rows(), {**response(tests="assert True"), "instruction": "Other."}]
    write_jsonl(tmp_path / "in.jsonl", table)
    arguments = ["select", tmp_path / "in.jsonl", tmp_path / "out.jsonl", "--dropped", tmp_path / "d.jsonl"]
    options = ["--near", "instruction", "--exact", "code", "--asserting-tests", "--nontrivial-tests"]
    done = CliRunner().invoke(build_app(), [str(each) for each in (*arguments, *options)])
    assert done.exit_code == 0, done.output
    reasons = sorted(row["reason"] for row in read_jsonl(tmp_path / "d.jsonl"))
    # "x = 1" and "y = 2" with a test of `f` do not run, so their tests are not trivial.
    assert reasons == ["repeated_code", "trivial_tests"]


@pytest.mark.parametrize(
    ("wanted", "names"), [("passing", ["p"]), ("failing", ["f", "g"]), ("random", ["p", "f", "g"])]
)
def test_which_responses_are_taken(tmp_path, wanted, names):
    write_jsonl(tmp_path / "p.jsonl", [{**response(), "name": "p"}])
    failed = [
        {**response(), "name": name, "reason": "assertion", "detail": "AssertionError"} for name in "fg"
    ]
    write_jsonl(tmp_path / "f.jsonl", failed)
    arguments = ["sanitize", "--pass", "raw", tmp_path / "p.jsonl", tmp_path / "o.jsonl"]
    options = ["--responses", wanted, "--failed", tmp_path / "f.jsonl"]
    done = CliRunner().invoke(build_app(), [str(each) for each in (*arguments, *options)])
    assert done.exit_code == 0, done.output
    kept = [json.loads(line) for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    assert [row["name"] for row in kept] == names
    assert all("reason" not in row and "detail" not in row for row in kept)
