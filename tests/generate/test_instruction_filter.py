"""The instruction filter: which instructions are dropped, and why."""

from __future__ import annotations

import pytest

from selfalign.core.filtering import Drop
from selfalign.core.jsonl import read_jsonl, write_jsonl
from selfalign.generate.instruction_filter import filter_instructions, instruction_filter, named_function

ASK = "Write a Python function `{}` that returns the sum of the two."


@pytest.mark.parametrize(
    ("instruction", "name"),
    [
        (ASK.format("add(a, b)"), "add"),
        (ASK.format("def add(a, b)"), "add"),
        ("Write a Python class `Stack` whose method `push(item)` adds an item.", "push"),
        ("Write a Python class `Stack` with the usual methods.", "Stack"),
        (ASK.format("add()"), None),
        (ASK.format("add"), None),
        ("Write a function add(a, b) that adds.", None),
    ],
)
def test_an_instruction_names_a_function_with_parameters_or_a_class(instruction, name):
    assert named_function(instruction) == name


def test_the_first_of_similar_instructions_is_kept():
    usable = instruction_filter(["Write a function `shout(text)` that returns the text in upper case."], 8)

    def reason(instruction):
        outcome = usable({"instruction": instruction})
        return outcome.reason if isinstance(outcome, Drop) else None

    assert reason(ASK.format("add(a, b)")) is None
    assert reason("write a python function `add(a,b)` that returns  the sum of the two") == "repeated"
    assert reason("Write a function `add(x, y)` that returns one plus the other.") == "repeated"
    assert reason("Write a function `sub(x, y)` that returns one minus the other.") is None
    assert reason("Write `mul(x, y)`.") == "too_short"
    assert reason(ASK.format("mul")) == "names_nothing"
    assert reason("Write a function `shout(word)` that returns the word three times.") == "copies_example"
    # What was dropped does not count as earlier.
    assert reason("Write a Python function `mul(x, y)` that returns their product.") is None


def test_a_shard_is_compared_with_the_shards_before_it(root, tmp_path):
    shards = [tmp_path / f"{number}.jsonl" for number in range(2)]
    names = [["add(a, b)", "sub(a, b)"], ["add(x, y)", "mul(a, b)", "shout(message)"]]
    for path, functions in zip(shards, names, strict=True):
        write_jsonl(path, [{"index": n, "instruction": ASK.format(f)} for n, f in enumerate(functions)])

    def kept(number):
        counts = filter_instructions(
            shards[:number],
            shards[number],
            tmp_path / "out.jsonl",
            tmp_path / "dropped.jsonl",
            prompt_template="selfalign-chatml",
            few_shots=root / "prompts/few_shots_short.txt",
        )
        return counts.dropped, [record["index"] for record in read_jsonl(tmp_path / "out.jsonl")]

    assert kept(0) == ({}, [0, 1])
    assert kept(1) == ({"repeated": 1, "copies_example": 1}, [1])
    assert [each["reason"] for each in read_jsonl(tmp_path / "dropped.jsonl")] == [
        "repeated",
        "copies_example",
    ]
