import json

import pytest
from tests.curate.test_export import row
from typer.testing import CliRunner

from selfalign.cli import build_app
from selfalign.core.errors import DataError
from selfalign.core.jsonl import write_jsonl


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    directory = tmp_path_factory.mktemp("results") / "mine"
    write_jsonl(directory / "dataset/train.jsonl", map(row, range(3)))
    dropped = {**row(7), "reason": "contaminated", "detail": {"task": "HumanEval/0"}}
    write_jsonl(directory / "dataset/dropped/decontaminate.jsonl", [dropped])
    return directory


def trace(*arguments):
    done = CliRunner().invoke(build_app(), ["trace", *map(str, arguments)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.output


def test_a_row_by_its_number_and_by_its_id(run):
    by_number, by_id = trace(2, run), trace("1.0", run)
    assert by_number == by_id
    assert "package: toolz" in by_number
    assert "license: BSD" in by_number
    assert "\n  model abc\n" in by_number
    assert "sanitize:raw" in by_number
    assert "Do 1." in by_number
    assert trace(2, run / "dataset/train.jsonl") == by_number
    assert trace(2, run / "dataset") == by_number


def test_a_dropped_row_says_where_and_why(run):
    text = trace("7.0", run)
    assert "in dataset, decontaminate: contaminated" in text or "decontaminate: contaminated" in text
    assert "HumanEval/0" in text


def test_what_is_not_there_is_said(run, tmp_path):
    for wanted, problem in (("9", "found none"), ("9.1", "found none"), ("x", "found 'x'")):
        with pytest.raises(DataError, match=problem):
            trace(wanted, run)
    with pytest.raises(DataError, match="expected a file of rows"):
        trace("1", tmp_path)


def test_a_row_without_lineage(tmp_path):
    write_jsonl(tmp_path / "rows.jsonl", [{"instruction": "Add.", "response": "a + b"}])
    assert "none: the row does not come from the pipeline" in trace(1, tmp_path / "rows.jsonl")


@pytest.mark.parametrize("value", [3, [1, {"a": 2}], {"a": None}, ["x", "y"], None])
def test_fields_of_any_type_are_shown(tmp_path, value):
    fields = dict.fromkeys(("seed", "concepts", "instruction", "response", "reason", "detail"), value)
    lineage = {"seed": {"package": value}, "sample": {"number": value}}
    write_jsonl(tmp_path / "rows.jsonl", [{**fields, "index": 0, "lineage": lineage}])
    text = trace(1, tmp_path / "rows.jsonl")
    shown = "" if value is None else "x, y" if value == ["x", "y"] else json.dumps(value)
    assert f"final response\n  {shown}\n" in text or value is None
