"""Properties of the text functions: they never crash, and are idempotent where they say so."""

from hypothesis import example, given
from hypothesis import strategies as st

from selfalign.core.code_blocks import first_block, iter_blocks
from selfalign.core.filtering import Drop
from selfalign.core.prompt_template import ResponseLayout
from selfalign.curate.code import function_names, parse_response_code
from selfalign.curate.sanitize import remove_comments, sanitizer
from selfalign.curate.sections import CODE_LAYOUT, PUBLISHED_LAYOUT, parse_sections, validate_sections

pieces = st.sampled_from(
    [
        "```",
        "```python\n",
        "\n",
        "# c\n",
        "\n\n",
        "x = 1\n",
        "  # c",
        "assert x\n",
        "/",
        " ",
        "def f():\n",
        *PUBLISHED_LAYOUT.sections,
    ]
)
texts = st.lists(pieces | st.text(max_size=5), max_size=30).map("".join)


@given(texts)
def test_blocks_lie_in_order_and_hold_no_fence(text):
    position = 0
    for block in iter_blocks(text):
        assert position < block.start <= block.end
        assert "```" not in text[block.start : block.end]
        assert "\n" not in block.tag
        assert block.code == text[block.start : block.end].strip()
        position = block.end


@given(texts)
@example("```python\n  # c```")
def test_removing_comments_leaves_the_rest(text):
    once = remove_comments(text)
    for before, after in zip(iter_blocks(text), iter_blocks(once), strict=True):
        lines = text[before.start : before.end].split("\n")
        assert all(line in lines for line in once[after.start : after.end].split("\n") if line)
    outside = text
    for block in list(iter_blocks(text))[::-1]:
        outside = outside[: block.start] + outside[block.end :]
    for block in list(iter_blocks(once))[::-1]:
        once = once[: block.start] + once[block.end :]
    assert once == outside


@given(texts)
def test_no_comment_line_is_left_in_a_block(text):
    for block in iter_blocks(remove_comments(text)):
        assert not any(line.lstrip().startswith("#") for line in block.code.split("\n"))


prose = st.lists(
    st.sampled_from(["a", "b.", " ", "\n", "\n\n", "# c\n", "/"]) | st.text("xyz[]", max_size=5)
).map("".join)
code = st.lists(st.sampled_from(["x = 1\n", "\n", "# c\n", "  # c\n", "def f(): pass\n"])).map("".join)
responses = st.builds(
    "[Reasoning]{}[Implementation]{}```python\n{}```\n{}[Explanation]{}[Tests]\n```python\n{}assert x\n```\n{}".format,
    *(prose, prose, code, prose, prose, code, prose),
)


@given(responses)
def test_a_sanitised_response_is_sanitised(text):
    checked = validate_sections(text)
    assert not isinstance(checked, Drop)
    tagged = checked[0].tagged()
    again = validate_sections(tagged)
    assert not isinstance(again, Drop)
    assert again[0].tagged() == tagged


@given(responses)
def test_sections_are_parts_of_the_text(text):
    sections = parse_sections(text)
    assert sections is not None
    assert list(sections.texts) == PUBLISHED_LAYOUT.sections
    assert all(part in text for part in sections.texts.values())


@given(texts)
def test_sections_are_found_or_the_response_is_dropped(text):
    assert (parse_sections(text) is None) == (validate_sections(text) == Drop("sections"))


@given(texts | st.text())
def test_names_and_blocks_never_crash(text):
    first_block(text, "python")
    function_names(text)


def test_names_are_in_depth_first_order():
    code = "def a():\n    def b(): pass\n    async def c(): pass\nclass D:\n    def e(self): pass\n"
    assert function_names(code) == "a b c e"
    assert function_names("def broken(") is None


def test_a_blank_line_goes_with_the_comment_after_it():
    text = "```python\n\n# first\nx = 1\n\n# why\ny = 2  # stays\n```\n# outside\n"
    assert remove_comments(text) == "```python\n\nx = 1\ny = 2  # stays\n```\n# outside\n"


CODE = (
    "[Implementation]\n```python\ndef f(x):\n    return x\n```\n\n[Tests]\n```python\nassert f(1) == 1\n```"
)


def test_a_response_may_consist_of_implementation_and_tests():
    assert validate_sections(CODE) == Drop("sections")
    checked = validate_sections(CODE + "\nThat is all.", CODE_LAYOUT)
    assert not isinstance(checked, Drop)
    assert (checked[0].tagged(), checked[1]) == (CODE, "assert f(1) == 1")
    code = parse_response_code(CODE)
    assert (code.implementation, code.tests, code.tagged) == (
        "def f(x):\n    return x",
        "assert f(1) == 1",
        True,
    )


def test_the_final_text_has_the_code_whatever_is_left_out():
    sanitize = sanitizer("smart", 0, CODE_LAYOUT)
    rows = [sanitize({"instruction": "Say `f(x)`, for example.", "response": CODE}) for _ in range(8)]
    assert {row.record["response"] for row in rows} == {"```python\ndef f(x):\n    return x\n```"}
    kept = sanitize({"instruction": "Say `f(x)` and test it.", "response": CODE}).record["response"]
    assert kept == CODE.replace("[Implementation]\n", "").replace("[Tests]\n", "")


def test_the_implementation_may_be_all_that_precedes_the_tests():
    layout = ResponseLayout(sections=["<tests>", "</tests>"], tests="<tests>")
    text = "So:\n\n```python\nx = 1\n```\n\n<tests>\n```python\nassert x == 1\n```\n</tests>\n"
    checked = validate_sections(text, layout)
    assert not isinstance(checked, Drop)
    assert checked[0].implementation == "So:\n\n```python\nx = 1\n```"
    again = validate_sections(checked[0].tagged(), layout)
    assert again == checked
    assert layout.prose == []
    assert checked[0].without("<tests>") == "So:\n\n```python\nx = 1\n```"
