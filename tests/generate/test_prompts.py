"""Prompts beyond the golden ones: grouping, subsets, clear errors, prompt templates as data."""

from __future__ import annotations

import json

import pytest

from selfalign.core.errors import ConfigError, DataError
from selfalign.core.prompt_template import find_prompt_template, load_prompt_template
from selfalign.generate.prompted_records import read_prompted_records
from selfalign.generate.prompts import build_prompts


def test_grouped_prompts_share_few_prefixes(few_shots):
    builder = build_prompts("selfalign", few_shots, "S->C", 3, selection="grouped", permutations=4)
    prompts = [builder.build({"seed": f"def f{i}(): pass"}, i) for i in range(200)]
    prefixes = {prompt.text.rpartition("## Example 4")[0] for prompt in prompts}
    assert len(prefixes) == 4
    assert {prompt.group for prompt in prompts} == {0, 1, 2, 3}
    assert [builder.build({"seed": f"def f{i}(): pass"}, i) for i in range(200)] == prompts


def test_a_record_has_the_same_prompt_wherever_it_stands(few_shots, tmp_path):
    whole, part = tmp_path / "whole.jsonl", tmp_path / "part.jsonl"
    rows = [{"concepts": [f"c{i}", "d"]} for i in range(10)]
    whole.write_text("".join(json.dumps(row) + "\n" for row in rows))
    part.write_text("".join(json.dumps({**rows[i], "index": i}) + "\n" for i in (7, 3)))
    builder = build_prompts("selfalign", few_shots, "C->I", 2, selection="grouped", permutations=2)
    in_whole = {prompted.index: prompted.prompt for prompted in read_prompted_records(whole, builder)}
    assert {prompted.index: prompted.prompt for prompted in read_prompted_records(part, builder)} == {
        i: in_whole[i] for i in (3, 7)
    }


def test_only_the_chosen_examples_are_used(few_shots):
    builder = build_prompts("selfalign", few_shots, "I->R", 2, numbers=[1, 3])
    for index in range(30):
        prompt = builder.build({"instruction": "Do it."}, index)
        assert set(prompt.examples) == {1, 3}


def test_errors_say_what_is_wrong(few_shots, tmp_path):
    with pytest.raises(ConfigError, match="has no mode 'S->X'; it has S->C, C->I, S->I, I->R"):
        build_prompts("selfalign", few_shots, "S->X")
    with pytest.raises(ConfigError, match="expected 99 few-shot examples, found 23 usable ones"):
        build_prompts("selfalign", few_shots, "S->C", 99)
    with pytest.raises(
        ConfigError, match="prompt template 'nothing' is neither a file nor one of selfalign, "
    ):
        build_prompts("nothing", few_shots, "S->C")
    rows = tmp_path / "rows.jsonl"
    for row, message in [
        ('{"seed": 1}', "record 2, field 'seed': expected a string"),
        ('{"x": 1}', "record 2, field 'seed': expected a string"),
        ('{"seed": "x", "index": -1}', "record 2, field 'index': expected an integer of at least 0"),
        ("[]", "record 2: expected a JSON object"),
    ]:
        rows.write_text('{"seed": "x"}\n' + row + "\n")
        with pytest.raises(DataError, match=message):
            list(read_prompted_records(rows, build_prompts("selfalign", few_shots, "S->C", 1)))


def test_another_prompt_template_is_another_file(tmp_path):
    prompt_template = tmp_path / "other.yaml"
    prompt_template.write_text(
        """
name: other
few_shots:
  system_header: "SYSTEM {mode}"
  example_header: "EXAMPLE {number}"
  sections:
    - {name: facts, marker: "<facts>"}
    - {name: task, marker: "<task>"}
  property_section: facts
  properties: [level, concepts]
prompt_example_header: "Q{number}"
stop: ["Q"]
modes:
  "facts->task":
    stage: instructions
    draws: [{property: level, choices: [low, high]}]
    query: {header: "Facts:", properties: [concepts, level], field: concepts}
    answer: {header: "Task:", section: task}
    output: task
response: {sections: ["<code>", "<tests>"], implementation: "<code>", tests: "<tests>"}
"""
    )
    shots = tmp_path / "shots.txt"
    shots.write_text(
        "SYSTEM facts->task\nAsk.\n\nEXAMPLE 1\n<facts>\nlevel: low\nconcepts: a, b\n\n<task>\nDo A.\n"
    )
    builder = build_prompts(prompt_template, shots, "instructions", 1)
    prompt = builder.build({"concepts": ["x"]}, 0)
    level = prompt.drawn["level"]
    assert prompt.text == (
        "Ask.\n\nQ1\nFacts:\nconcepts: a, b\nlevel: low\n\nTask:\nDo A.\n\n"
        f"Q2\nFacts:\nconcepts: x\nlevel: {level}\n\nTask:"
    )


@pytest.mark.parametrize("name", ["selfalign", "selfalign-small", "selfalign-chatml", "starcoder2-instruct"])
def test_the_prompt_templates_that_come_along_are_whole(name):
    prompt_template = load_prompt_template(find_prompt_template(name))
    assert prompt_template.name == name
    assert list(dict.fromkeys(layout.stage for layout in prompt_template.modes.values())) == [
        "concepts",
        "instructions",
        "responses",
    ]


def test_the_successors_prompt_template_puts_tests_into_a_part_of_their_own(tmp_path):
    shots = tmp_path / "shots.txt"
    modes = "\n\n".join(f"### System: {mode}\nDo it." for mode in ("I->R", "C->I", "S->C", "S->I"))
    shots.write_text(
        f"{modes}\n\n### Example 1\n[Code]\nx = 1\n\n[Property]\ncategory: k\nlanguage: Python\n"
        "difficulty: easy\nconcepts: a, b\n\n[Instruction]\nDo A.\n\n[Response]\nSo.\n\n[Tests]\nassert 1\n"
    )
    builder = build_prompts("selfcodealign", shots, "I->R", 1)
    prompt = builder.build({"instruction": "Do B."}, 0).text
    assert "### Response\nSo.\n\n<tests>\nassert 1\n</tests>\n\n## Example 2\n" in prompt
    builder = build_prompts("selfcodealign", shots, "C->I", 1)
    assert "difficulty: easy\nconcepts: a, b" in builder.build({"concepts": ["c"]}, 0).text
    assert (
        build_prompts("selfcodealign", shots, "S->I", 1)
        .build({"seed": "y = 2"}, 0)
        .text.endswith("### Snippet\ny = 2\n\n### Task")
    )


def test_a_prompt_can_be_a_conversation(tmp_path):
    shots = tmp_path / "shots.txt"
    modes = "\n\n".join(f"### System: {mode}\nDo it." for mode in ("I->R", "C->I", "S->C"))
    shots.write_text(
        f"{modes}\n\n### Example 1\n[Code]\nx = 1\n\n[Property]\nconcepts: a, b\nresult: {{text}}\n\n"
        "[Instruction]\nDo A.\n\n[Response]\nSo.\n"
    )
    builder = build_prompts("selfalign-chatml", shots, "C->I", 1)
    prompt = builder.build({"concepts": ["c"]}, 0)
    assert prompt.text == (
        "<|im_start|>system\nDo it.<|im_end|>\n"
        "<|im_start|>user\nconcepts: a, b\nresult: {text}<|im_end|>\n<|im_start|>assistant\nDo A.<|im_end|>\n"
        f"<|im_start|>user\nconcepts: c\nresult: {prompt.drawn['result']}<|im_end|>\n<|im_start|>assistant\n"
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            '"<|im_start|>user\\n{text}<|im_end|>\\n"',
            '"user"',
            r"'user': expected \{text\} once, found 'user'",
        ),
        ("turns:", "turns: null\nextra:", "extra"),
        (
            'tests: "[Tests]"',
            'tests: "[Test]"',
            r"'tests': expected one of \[Implementation\], \[Tests\], found",
        ),
    ],
)
def test_a_wrong_conversation_or_response_layout_is_named(tmp_path, old, new, message):
    path = tmp_path / "r.yaml"
    text = find_prompt_template("selfalign-chatml").read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(ConfigError, match=message):
        load_prompt_template(path)


def test_headers_are_needed_without_turns(tmp_path):
    path = tmp_path / "r.yaml"
    for old, message in (
        ('prompt_example_header: "## Example {number}"\n', "give prompt_example_header, or turns"),
        ('header: "### Snippet", ', "give the header of query and answer"),
    ):
        path.write_text(find_prompt_template("selfalign").read_text().replace(old, ""))
        with pytest.raises(ConfigError, match=message):
            load_prompt_template(path)


def test_a_wrong_prompt_template_names_the_key(tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text(find_prompt_template("selfalign").read_text().replace("needs:", "need:"))
    with pytest.raises(
        ConfigError, match=r"prompt template .*r.yaml.*modes\.I->R\.need'; did you mean 'needs'"
    ):
        load_prompt_template(path)
