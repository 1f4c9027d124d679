"""Prompts by section 8 of the reference page, and the solution in an answer."""

from __future__ import annotations

import pytest
from own_records import CONTEST, EVALPLUS, MBPP

from selfalign.core.chat import CHAT_TEMPLATE, inference_prompt
from selfalign.core.errors import DataError
from selfalign.evaluate.prompts import build_task_format, checkpoint_template, last_fenced


def test_humaneval_is_continued_plainly_or_within_a_fence(make_benchmark):
    benchmark = make_benchmark("humaneval_plus", EVALPLUS)
    task = benchmark.tasks[0]
    plain, chat = build_task_format(benchmark, "plain"), build_task_format(benchmark, "chat")
    assert plain.prompt(task) == task.prompt.rstrip()
    prompt = chat.prompt(task)
    assert prompt.endswith(f"```python\n{task.prompt}")
    assert prompt.startswith(inference_prompt("").split("\n")[0])
    assert prompt.count(task.prompt) == 2
    assert chat.solution(task, "    return 1\n```\nThat is it.") == task.prompt + "    return 1\n"
    assert plain.solution(task, "    return 1\n") == task.prompt + "    return 1\n"
    assert "\n```" in chat.layout.stop


def test_mbpp_asks_for_the_docstring_up_to_its_assertion(make_benchmark):
    benchmark = make_benchmark("mbpp_plus", MBPP)
    task = benchmark.tasks[0]
    chat = build_task_format(benchmark, "chat")
    prompt = chat.prompt(task)
    assert "\nShare the elements of two lists.\n" in prompt
    assert "```python\nassert set(similar_elements((3, 4), (4, 5))) == {4}\n```" in prompt
    assert prompt.endswith("```python")
    assert chat.solution(task, "\ndef f(): pass\n```") == "\ndef f(): pass\n"


def test_contest_answers_are_the_last_fenced_block(make_benchmark):
    benchmark = make_benchmark("livecodebench", CONTEST)
    stdin, call = benchmark.tasks
    chat = build_task_format(benchmark, "chat")
    assert "standard input" in chat.prompt(stdin)
    assert "class Solution" in chat.prompt(call)
    assert chat.solution(stdin, "So:\n```python\nold\n```\nbetter:\n```python\nnew\n```\n") == "new\n"
    plain = build_task_format(benchmark, "plain")
    assert plain.prompt(stdin).startswith("# Read a number")
    assert plain.solution(stdin, "print(1)") == "print(1)"
    assert plain.prompt(call).endswith(CONTEST[1]["starter_code"])
    assert plain.solution(call, "return [a, b]") == CONTEST[1]["starter_code"] + "return [a, b]"
    assert last_fenced("```python\ncut") == "cut"
    assert last_fenced("plain") == "plain"


BY_ROLE = (
    "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}{{ eos_token }}{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


@pytest.fixture
def checkpoint(tmp_path):
    """Write the tokenizer of a released model, with the chat template given."""

    def write(template):
        from tokenizers import Tokenizer, models
        from transformers import PreTrainedTokenizerFast

        tokenizer = PreTrainedTokenizerFast(
            tokenizer_object=Tokenizer(models.BPE({"<s>": 0, "</s>": 1}, [])),
            bos_token="<s>",
            eos_token="</s>",
        )
        tokenizer.chat_template = template
        tokenizer.save_pretrained(tmp_path)
        return tmp_path

    return write


def test_a_released_model_is_asked_by_its_own_template(checkpoint, make_benchmark):
    benchmark = make_benchmark("humaneval_plus", EVALPLUS)
    task = benchmark.tasks[0]
    chat = build_task_format(benchmark, "chat", checkpoint_template(checkpoint(BY_ROLE)))
    prompt = chat.prompt(task)
    assert prompt.startswith("<user>Complete the Python function below")
    # The answer is open, and begins with the code that it is to continue.
    assert prompt.endswith(f"\n```</s><assistant>```python\n{task.prompt}")


def test_our_own_template_says_what_we_train_with(checkpoint):
    render = checkpoint_template(checkpoint(CHAT_TEMPLATE))
    assert render("Add.", "```python\n") == "<s>" + inference_prompt("Add.", "```python\n")


def test_a_model_without_a_template_is_not_asked_by_one(checkpoint):
    with pytest.raises(DataError, match="expected a chat template in the tokenizer"):
        checkpoint_template(checkpoint(None))
