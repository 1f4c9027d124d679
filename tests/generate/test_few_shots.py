"""The few-shot parser: any file of the layout; and our own examples, executed."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfalign.core.errors import DataError
from selfalign.core.filtering import Drop
from selfalign.core.prompt_template import find_prompt_template, load_prompt_template
from selfalign.curate.code import parse_response_code
from selfalign.curate.mutation import stub_functions
from selfalign.curate.sections import validate_sections
from selfalign.generate.few_shots import load_few_shots, parse_few_shots

TEMPLATE = load_prompt_template(find_prompt_template("starcoder2-instruct"))
MARKERS = [section.marker for section in TEMPLATE.few_shots.sections]

line = st.text(st.characters(blacklist_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=30).filter(
    lambda text: text.strip() not in MARKERS and not re.match(r"### (Example|System)", text)
)
text = st.lists(line, max_size=5).map("\n".join)
word = st.text(st.characters(whitelist_categories=["L", "N"]), min_size=1, max_size=12)
example = st.fixed_dictionaries(
    {
        "code": text,
        "category": word,
        "language": word,
        "concepts": st.lists(word, min_size=1, max_size=4),
        "difficulty": word,
        "instruction": text,
        "solution": text,
        "response": text,
    }
)


def write(system, examples):
    head = "\n\n".join(f"### System: {mode}\n{words}" for mode, words in system.items())
    blocks = [head]
    for number, e in enumerate(examples, start=1):
        properties = "\n".join(
            [
                f"category: {e['category']}",
                f"language: {e['language']}",
                f"concepts: {', '.join(e['concepts'])}",
                f"difficulty: {e['difficulty']}",
            ]
        )
        sections = [e["code"], properties, e["instruction"], e["solution"], e["response"]]
        body = "\n\n".join(f"{marker}\n{value}" for marker, value in zip(MARKERS, sections, strict=True))
        blocks.append(f"### Example {number}\n{body}")
    return "\n\n".join(blocks) + "\n"


@given(
    st.fixed_dictionaries(dict.fromkeys(("I->R", "C->I", "S->C"), text)),
    st.lists(example, min_size=1, max_size=12),
)
def test_what_is_written_is_read(system, examples):
    few_shots = parse_few_shots(write(system, examples), TEMPLATE)
    assert few_shots.system == {mode: words.strip() for mode, words in system.items()}
    assert len(few_shots.examples) == len(examples)
    for number, (found, e) in enumerate(zip(few_shots.examples, examples, strict=True), start=1):
        assert found.number == number
        assert found.sections["code"] == e["code"].rstrip()
        for name in ("instruction", "solution", "response"):
            assert found.sections[name] == e[name].strip()
        assert found.properties["concepts"] == ", ".join(e["concepts"])
        assert found.properties["category"] == e["category"]
    usable = few_shots.usable(["solution"])
    assert [e.number for e in usable] == [n for n, e in enumerate(examples, 1) if e["solution"].strip()]


GOOD = write(
    {"I->R": "a", "C->I": "b", "S->C": "c"},
    [
        {"code": "x", "category": "k", "language": "Python", "concepts": ["c"], "difficulty": "easy"}
        | {"instruction": "i", "solution": "s", "response": "r"}
    ],
)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("### System: C->I", "### Sytem: C->I", "line '### System: C->I' before the first example"),
        ("### Example 1", "Example 1", "shots.txt: expected a line '### Example 1'"),
        ("### Example 1", "### Example 2", "expected '### Example 1', found '### Example 2'"),
        ("[Solution]", "[Solutions]", r"example 1: expected a line '\[Solution\]'"),
        ("difficulty: easy", "", "example 1: expected the property lines 'category: …', 'language: …'"),
        ("language: Python", "lang: Python", "found 'lang: Python'"),
        ("[Code]", "words\n[Code]", r"expected '\[Code\]' at its start"),
    ],
)
def test_a_wrong_file_gets_one_clear_line(old, new, message):
    with pytest.raises(DataError, match=message) as caught:
        parse_few_shots(GOOD.replace(old, new), TEMPLATE, "shots.txt")
    assert str(caught.value).startswith("shots.txt: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (3, "4", "expected '### Example 3', found '### Example 4'"),
        (3, "2", "expected '### Example 3', found '### Example 2'"),
        (3, "03", "expected '### Example 3', found '### Example 03'"),
    ],
)
def test_a_misnumbered_header_is_refused_with_its_line(root, old, new, expected):
    lines = (root / "prompts" / "few_shots.txt").read_text().split("\n")
    number = lines.index(f"### Example {old}") + 1
    lines[number - 1] = f"### Example {new}"
    with pytest.raises(DataError) as caught:
        parse_few_shots("\n".join(lines), TEMPLATE, "shots.txt")
    assert str(caught.value) == f"shots.txt: line {number}: {expected}"


def test_our_own_examples_run_and_have_the_response_layout(root):
    prompt_template = load_prompt_template(find_prompt_template("selfalign"))
    few_shots = load_few_shots(root / "prompts" / "few_shots.txt", prompt_template)
    assert len(few_shots.usable(["solution"])) >= 16
    for each in few_shots.examples:
        solution, response = each.sections["solution"], each.sections["response"]
        (program,) = re.findall(r"^```python\n(.*?)^```", solution + "\n", re.DOTALL | re.MULTILINE)
        run(program, each.number)
        assert "assert" in program
        places = [response.index(tag) for tag in prompt_template.response.sections]
        assert places == sorted(places)
        assert all(response.count(tag) == 1 for tag in prompt_template.response.sections)
        blocks = re.findall(r"^```python\n(.*?)^```", response + "\n", re.DOTALL | re.MULTILINE)
        assert len(blocks) == 2
        run("\n".join(blocks), each.number)


def test_the_short_examples_run_name_the_function_and_fail_for_a_stub(root):
    prompt_template = load_prompt_template(find_prompt_template("selfalign-chatml"))
    few_shots = load_few_shots(root / "prompts" / "few_shots_short.txt", prompt_template)
    choices = prompt_template.modes["C->I"].draws[0].choices
    assert len(set(choices)) == len(choices)
    for each in few_shots.examples:
        assert each.properties["result"] not in choices
        checked = validate_sections(each.sections["response"], prompt_template.response)
        assert not isinstance(checked, Drop)
        code = parse_response_code(each.sections["response"])
        run(code.program, each.number)
        signature = re.search(r"`(\w+\([^)]+\))`", each.sections["instruction"])
        assert f"def {signature[1]}:\n" in code.implementation
        with pytest.raises(AssertionError):
            run(stub_functions(each.sections["response"]), each.number)


def run(program, number):
    exec(compile(program, f"example {number}", "exec", dont_inherit=True), {"__name__": "__main__"})


def test_our_examples_vary(root):
    few_shots = load_few_shots(
        root / "prompts" / "few_shots.txt", load_prompt_template(find_prompt_template("selfalign"))
    )
    assert {e.properties["difficulty"] for e in few_shots.examples} == {"easy", "medium", "hard"}
    assert len({e.properties["concepts"] for e in few_shots.examples}) == len(few_shots.examples)
    assert sum("class" in e.properties["category"] for e in few_shots.examples) >= 2
