"""The quick start: our format, the model's own template, greedy, cut at the next header."""

import shlex

import pytest
from tiny import write_tiny_checkpoint
from transformers import AutoTokenizer
from typer.testing import CliRunner

from selfalign.cli import build_app
from selfalign.core.chat import CHAT_TEMPLATE, cut_answer, inference_prompt
from selfalign.core.errors import DataError, InfrastructureError
from selfalign.respond import load, respond, respond_from


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return write_tiny_checkpoint(tmp_path_factory.mktemp("tiny"))


def test_our_template_writes_a_training_row(checkpoint):
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    tokenizer.chat_template = CHAT_TEMPLATE
    messages = [{"role": "user", "content": "Add."}, {"role": "assistant", "content": "a + b"}]
    text = tokenizer.apply_chat_template(messages, tokenize=False)
    assert text == tokenizer.bos_token + inference_prompt("Add.") + "a + b" + tokenizer.eos_token


def test_the_answer_is_cut_at_a_header():
    assert cut_answer("def f(): ...\n### Instruction\nmore") == "def f(): ...\n"


def test_answers_are_greedy_and_begin_with_the_prefix(checkpoint):
    model, tokenizer = load(checkpoint)
    answers = {respond(model, tokenizer, "Add two numbers.", "def add", max_new_tokens=8) for _ in range(2)}
    assert len(answers) == 1
    assert answers.pop().startswith("def add")


def test_what_is_no_checkpoint_is_named(tmp_path):
    with pytest.raises(DataError, match=r"config\.json"):
        load(tmp_path)


def test_the_lines_of_the_readme(checkpoint, root, capsys):
    text = (root / "README.md").read_text()
    lines = text.split("```python\nfrom selfalign.respond", 1)[1].split("```", 1)[0]
    lines = lines.replace("results/default/model/tuned", str(checkpoint)).replace(
        'numbers."))', 'numbers.", "def", 4))'
    )
    exec(f"from selfalign.respond{lines}", {})
    assert capsys.readouterr().out.startswith("def")


def test_the_command_of_the_readme_asks_a_checkpoint(checkpoint, root):
    text = (root / "README.md").read_text()
    line = next(line for line in text.splitlines() if line.startswith("selfalign respond"))
    arguments = shlex.split(line.replace("results/default/model/tuned", str(checkpoint)))[1:]
    done = CliRunner().invoke(build_app(), [*arguments, "--prefix", "def f", "--max-new-tokens", "4"])
    assert done.exit_code == 0, done.output
    assert "def f" in done.output


def test_an_endpoint_is_sent_the_prompt_of_the_checkpoint(start_double, checkpoint):
    url = start_double("--model", "tuned", "--checkpoint", str(checkpoint))
    answer = respond_from(
        url, "tuned", "Add two numbers.", "```python\ndef add", max_new_tokens=50, tokenizer=checkpoint
    )
    assert answer.startswith("```python\ndef add")


def test_an_endpoint_that_is_not_there_is_named(checkpoint):
    with pytest.raises(InfrastructureError, match=r"127\.0\.0\.1:9"):
        respond_from("http://127.0.0.1:9/v1", "tuned", "Add.", max_new_tokens=5, tokenizer=checkpoint)


def test_an_endpoint_needs_the_tokenizer():
    done = CliRunner().invoke(
        build_app(), ["respond", "Add.", "--model", "m", "--endpoint", "http://127.0.0.1:9"]
    )
    assert done.exit_code != 0
    assert "--endpoint and --tokenizer must be given together" in str(done.exception or done.output)
