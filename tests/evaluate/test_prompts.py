"""Prompts by section 8 of the reference page, and the solution in an answer."""

from __future__ import annotations

import pytest
from own_records import CONTEST, EVALPLUS, EXECUTIONS, MBPP, TEST_OUTPUTS
from tests.tiny import write_tiny_checkpoint

from selfalign.core.chat import ChatFormat, load_tokenizer
from selfalign.evaluate.prompts import answered_value, build_task_format, last_assertion, last_fenced


@pytest.fixture(scope="module")
def format_of(tmp_path_factory):
    """Return the chat format of a small tokenizer in a layout."""
    checkpoint = write_tiny_checkpoint(tmp_path_factory.mktemp("tiny"))
    return lambda layout: ChatFormat(load_tokenizer(checkpoint), layout)


def test_humaneval_is_continued_plainly_or_within_a_fence(make_benchmark, format_of):
    benchmark = make_benchmark("humaneval_plus", EVALPLUS)
    task = benchmark.tasks[0]
    plain, chat = build_task_format(benchmark), build_task_format(benchmark, format_of("reference"))
    assert plain.prompt(task) == task.prompt.rstrip()
    text, prefix = chat.parts(task)
    assert prefix == f"```python\n{task.prompt}"
    assert text.count(task.prompt) == 1
    assert chat.solution(task, "    return 1\n```\nThat is it.") == task.prompt + "    return 1\n"
    assert plain.solution(task, "    return 1\n") == task.prompt + "    return 1\n"
    assert "\n```" in chat.layout.stop


def test_mbpp_asks_for_the_docstring_up_to_its_assertion(make_benchmark, format_of):
    benchmark = make_benchmark("mbpp_plus", MBPP)
    task = benchmark.tasks[0]
    chat = build_task_format(benchmark, format_of("own"))
    text, prefix = chat.parts(task)
    assert text.startswith("Share the elements of two lists.\n")
    assert "```python\nassert set(similar_elements((3, 4), (4, 5))) == {4}\n```" in text
    assert prefix == "```python"
    assert chat.solution(task, "\ndef f(): pass\n```") == "\ndef f(): pass\n"


def test_contest_answers_are_the_last_fenced_block(make_benchmark, format_of):
    benchmark = make_benchmark("livecodebench", CONTEST)
    stdin, call = benchmark.tasks
    chat = build_task_format(benchmark, format_of("own"))
    assert "standard input" in chat.parts(stdin)[0]
    assert "class Solution" in chat.parts(call)[0]
    assert chat.solution(stdin, "So:\n```python\nold\n```\nbetter:\n```python\nnew\n```\n") == "new\n"
    plain = build_task_format(benchmark)
    assert plain.parts(stdin)[0].startswith("# Read a number")
    assert plain.solution(stdin, "print(1)") == "print(1)"
    assert plain.parts(call)[0].endswith(CONTEST[1]["starter_code"])
    assert plain.solution(call, "return [a, b]") == CONTEST[1]["starter_code"] + "return [a, b]"
    assert last_fenced("```python\ncut") == "cut"
    assert last_fenced("plain") == "plain"


@pytest.mark.parametrize(
    "answer",
    [
        "1. So:\n   ```python\nprint(1)\n   ```\n",
        "Here is the code: ```python\nprint(1)\n``` That is all.",
        "A ```python block:\n```python\nprint(1)\n```",
        "```\nold\n```\n- ```py\nprint(1)\n  ```",
    ],
)
def test_a_fence_may_be_indented_or_on_a_line_with_words(answer):
    assert last_fenced(answer) == "print(1)\n"


def test_predictions_are_asked_for_by_an_assertion(make_benchmark, format_of):
    for name, records, call in (
        ("livecodebench_tests", TEST_OUTPUTS, "pairs(2, 1)"),
        ("livecodebench_execution", EXECUTIONS, "longest(words = ['a', 'bc'])"),
    ):
        benchmark = make_benchmark(name, records)
        task = benchmark.tasks[0]
        plain, chat = build_task_format(benchmark), build_task_format(benchmark, format_of("own"))
        assert plain.parts(task)[0].endswith(f"\nassert {call} ==")
        assert plain.solution(task, " [1, 2]") == " [1, 2]"
        assert f"\nassert {call} == ???\n" in chat.parts(task)[0]
        assert chat.parts(task)[1] == ""


@pytest.mark.parametrize(
    ("answer", "assertion"),
    [
        ("So:\n```python\nassert f(1) == 2\nassert f(1) == 3\n```\nDone", "assert f(1) == 3"),
        ("```\nold\n```\n```python\n 3\n```\n```\n4\n```", " 3"),
        ("```\n3\n```", "3"),
        ("  assert f(1) == 2", ""),
        ("```python\n3", ""),
        ("3", ""),
    ],
)
def test_an_assertion_is_the_last_line_or_the_first_fenced_block(answer, assertion):
    assert last_assertion(answer) == assertion


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ("x == 1, so\n[ANSWER]\nassert f(1) == [1,\n 2]\n[/ANSWER]\n", "[1,\n 2]"),
        ("assert f(1) == 2\nbecause x == 3", "2"),
        ("[ANSWER] 'a' [/ANSWER]", "'a'"),
        ("5\nIt is 5.", "5"),
        ("[ANSWER]assert f(1) == 'a==b'[/ANSWER]", "'a"),
    ],
)
def test_a_value_is_the_right_side_between_the_marks(answer, value):
    assert answered_value(answer) == value


def test_a_chat_model_is_asked_by_its_own_template(make_benchmark, format_of):
    task = make_benchmark("humaneval_plus", EVALPLUS).tasks[0]
    own = build_task_format(make_benchmark("humaneval_plus", EVALPLUS), format_of("own"))
    text, prefix = own.parts(task)
    assert text.startswith("Complete the Python function below")
    # The response is open, and begins with the code that it is to continue.
    assert prefix == f"```python\n{task.prompt}"
    assert own.chat is not None
    assert own.prompt(task) == tuple(own.chat.prompt_ids(text, prefix))
    assert own.request_fields() == {}


def test_a_server_without_token_ids_is_sent_all_special_tokens_as_text(make_benchmark, format_of):
    benchmark = make_benchmark("humaneval_plus", EVALPLUS)
    own = build_task_format(benchmark, format_of("own"), token_ids=False)
    prompt = own.prompt(benchmark.tasks[0])
    assert isinstance(prompt, str)
    assert prompt.startswith("<|im_start|>user\nComplete the Python function below")
    assert prompt.endswith(f"<|im_end|>\n<|im_start|>assistant\n```python\n{benchmark.tasks[0].prompt}")
    assert own.request_fields() == {"add_special_tokens": False}
