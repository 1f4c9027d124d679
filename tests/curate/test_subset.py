"""Subsets of the data set for the learning curve."""

from __future__ import annotations

import pytest
from tests.curate.test_quality import response
from tests.tiny import write_tiny_checkpoint

from selfalign.core.config.curation import CurationConfig, LengthConfig
from selfalign.core.jsonl import read_jsonl, write_jsonl
from selfalign.curate.sections import PUBLISHED_LAYOUT
from selfalign.curate.subset import subset_file


@pytest.fixture
def files(tmp_path):
    """A data set of three rows, and the candidates from which they were selected, with one that is unfinished."""

    def row(instruction, number):
        made = response(f"def f():\n    return {number}", f"assert f() == {number}")
        return {**made, "instruction": instruction}

    final = [{"instruction": f"Write f {n}.", "response": f"final {n}"} for n in range(3)]
    final[1]["instruction"] += "\n\nYour code should pass the following assertion:\n```python\nassert 1\n```"
    candidates = [
        row("Write f 1.", 10),
        row("Write f 0.", 1),
        row("write  f 1.", 11),
        row("Write f 9.", 12),
        {**response("def f():\n    return 1  # TODO", "assert f() == 1"), "instruction": "Write f 0."},
    ]
    write_jsonl(tmp_path / "train.jsonl", final)
    write_jsonl(tmp_path / "candidates.jsonl", candidates)
    return tmp_path, final


def subset(directory, **options):
    counts = subset_file(
        directory / "train.jsonl",
        directory / "out.jsonl",
        directory / "dropped.jsonl",
        response_layout=PUBLISHED_LAYOUT,
        **options,
    )
    return list(read_jsonl(directory / "out.jsonl")), counts


@pytest.mark.parametrize("number", [1, 2, 5, None])
def test_one_response_is_the_row_of_the_data_set(files, number):
    directory, final = files
    assert subset(directory, instructions=number)[0] == final[:number]


def test_all_responses_are_those_before_the_selection_in_the_order_of_the_data_set(files):
    directory, _ = files
    rows, counts = subset(directory, instructions=2, candidates=directory / "candidates.jsonl")
    texts = [row["instruction"].partition("\n")[0] for row in rows]
    assert texts == ["Write f 0.", "Write f 1.", "write  f 1."]
    assert all("[" not in row["response"].splitlines()[0] for row in rows), "section tags are removed"
    assert sum(counts.dropped.values()) == 1
    assert [row["instruction"] for row in read_jsonl(directory / "dropped.jsonl")] == ["Write f 0."]


def test_several_rows_of_an_instruction_are_one_instruction(files):
    directory, _ = files
    final = [{"instruction": f"Write f {n // 2}.", "response": f"final {n}"} for n in range(4)]
    write_jsonl(directory / "train.jsonl", final)
    assert subset(directory, instructions=1)[0] == final[:2]
    rows, _ = subset(directory, instructions=None, candidates=directory / "candidates.jsonl")
    texts = [row["instruction"].partition("\n")[0] for row in rows]
    assert texts == ["Write f 0.", "Write f 1.", "write  f 1."]


def test_other_responses_pass_the_filters_of_the_data_set(files):
    directory, _ = files
    checkpoint = write_tiny_checkpoint(directory / "checkpoint", ["Write f 1."])
    stub = {**response("def f():\n    pass", "assert f() is None"), "instruction": "Write f 1."}
    candidates = [stub, *read_jsonl(directory / "candidates.jsonl")]
    write_jsonl(directory / "candidates.jsonl", candidates)
    given = {"instructions": 2, "candidates": directory / "candidates.jsonl"}
    _, counts = subset(directory, **given)
    assert counts.dropped == {"incomplete_code": 1, "unfinished": 1}
    limits = CurationConfig(length=LengthConfig(max_tokens=1))
    rows, counts = subset(directory, **given, settings=limits, checkpoint=checkpoint)
    assert rows == []
    assert counts.dropped["too_long"] == 3
