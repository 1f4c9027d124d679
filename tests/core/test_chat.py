"""One way from an instruction to token ids: in training, scoring, `respond` and at a server, for tokenizers of all kinds."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, replace

import pytest
from tests.scripted_server import completion
from tests.tiny import CHAT_ML, write_tiny_checkpoint
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from selfalign.benchmarks import load_benchmark
from selfalign.client import open_client
from selfalign.core.chat import CHAT_TEMPLATE, ChatFormat, inference_prompt, load_tokenizer
from selfalign.core.config.evaluation import BenchmarkChoice
from selfalign.core.config.serving import ClientConfig
from selfalign.core.errors import DataError
from selfalign.evaluate.generate import generate_samples
from selfalign.evaluate.prompts import build_task_format
from selfalign.respond import chat_format, respond_from
from selfalign.train.data import IGNORED, encode

SPECIAL = {"<pad>": 0, "<bos>": 1, "<eos>": 2, "<|im_start|>": 3, "<|im_end|>": 4}
# A template that writes the beginning-of-sequence token itself, as released models' do.
RELEASED = (
    "{{ bos_token }}Be exact.{% for m in messages %}{% if m['role'] == 'user' %}\n\n### Ask\n{{ m['content'] }}\n\n"
    "### Response\n{% else %}{{ m['content'] }}{{ eos_token }}{% endif %}{% endfor %}"
)


@dataclass(frozen=True)
class Kind:
    """A kind of tokenizer: whether it has a beginning-of-sequence token, whether it adds it, its template."""

    has_bos: bool = True
    adds_bos: bool = False
    template: str | None = CHAT_ML
    eos: str = "<|im_end|>"


KINDS = {
    "adds_bos": Kind(adds_bos=True),
    "adds_none": Kind(),
    "without_bos": Kind(has_bos=False),
    "released": Kind(template=RELEASED, eos="<eos>"),
    "released_adds_bos": Kind(adds_bos=True, template=RELEASED, eos="<eos>"),
    "turn_end_is_not_eos": Kind(eos="<eos>"),
}


def tokenizer_of(kind: Kind) -> PreTrainedTokenizerFast:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {**SPECIAL, **{letter: number for number, letter in enumerate(alphabet, len(SPECIAL))}}
    # A merge across the border of prompt and response, where a text encoded as a whole differs.
    vocabulary["Ċ`"] = len(vocabulary)
    backend = Tokenizer(models.BPE(vocabulary, [("Ċ", "`")]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens(list(SPECIAL))
    if kind.adds_bos:
        backend.post_processor = processors.TemplateProcessing(
            single="<bos> $A", pair="<bos> $A $B", special_tokens=[("<bos>", 1)]
        )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token="<bos>" if kind.has_bos else None,
        eos_token=kind.eos,
        pad_token="<pad>",
    )
    tokenizer.chat_template = kind.template
    return tokenizer


@pytest.fixture(params=KINDS)
def tokenizer(request):
    return tokenizer_of(KINDS[request.param])


@pytest.fixture
def benchmark():
    """HumanEval with one task."""
    whole = load_benchmark("humaneval")
    prompt = 'def f():\n    """Add numbers, größer als 5."""\n'
    return replace(whole, tasks=(replace(whole.tasks[0], prompt=prompt, beginning=prompt),))


@pytest.mark.parametrize("layout", ["own", "reference"])
def test_scoring_sends_the_ids_that_training_saw(scripted_server, tmp_path, benchmark, tokenizer, layout):
    chat = ChatFormat(tokenizer, layout)
    task_format = build_task_format(benchmark, chat)
    (task,) = benchmark.tasks
    instruction, prefix = task_format.parts(task)
    row = {"instruction": instruction, "response": f"```python\n{task.prompt}    return 1\n```"}
    (example,) = encode([row], chat, 10_000).examples
    server = scripted_server(lambda _: completion("    return 1\n"))
    with open_client([server.url], "base", identity="m", cache=None, settings=ClientConfig()) as client:
        choice = BenchmarkChoice(name="humaneval")
        generate_samples(benchmark, choice, client, tmp_path / "out", task_format=task_format, seed=0)
    (body,) = server.bodies
    sent, prompt_length = body["prompt"], example["labels"].count(IGNORED)
    assert sent == example["input_ids"][: len(sent)]
    assert len(sent) > prompt_length
    assert tokenizer.decode(sent[prompt_length:]) == prefix
    assert sent.count(SPECIAL["<bos>"]) == (layout == "reference" or "bos_token" in chat.template) * (
        tokenizer.bos_token_id is not None
    )
    # All tokens that end a response are known to the server: end-of-sequence, or told.
    assert example["input_ids"][-1] in [tokenizer.eos_token_id, *body.get("stop_token_ids", [])]


@pytest.mark.parametrize("layout", ["own", "reference"])
def test_a_server_that_takes_text_is_sent_the_same_special_tokens(benchmark, tokenizer, layout):
    chat = ChatFormat(tokenizer, layout)
    (task,) = benchmark.tasks
    as_text = build_task_format(benchmark, chat, token_ids=False)
    ids = tokenizer(as_text.prompt(task), add_special_tokens=False)["input_ids"]
    sent = build_task_format(benchmark, chat).prompt(task)
    assert as_text.request_fields()["add_special_tokens"] is False
    assert tokenizer.decode(ids) == tokenizer.decode(sent)
    assert [each for each in ids if each in SPECIAL.values()] == [
        each for each in sent if each in SPECIAL.values()
    ]


def test_respond_sends_the_ids_of_the_template(scripted_server, tmp_path, tokenizer):
    tokenizer.save_pretrained(tmp_path)
    server = scripted_server(lambda _: completion("def f(): ..."))
    respond_from(server.url, "base", "Add.", "```python\n", tokenizer=tmp_path)
    (body,) = server.bodies
    opening = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Add."}], add_generation_prompt=True, tokenize=True, return_dict=False
    )
    assert body["prompt"] == opening + tokenizer("```python\n", add_special_tokens=False)["input_ids"]


def test_the_reference_layout_is_its_chat_template():
    tokenizer = tokenizer_of(Kind())
    chat = ChatFormat(tokenizer, "reference")
    tokenizer.chat_template = CHAT_TEMPLATE
    own = ChatFormat(tokenizer, "own")
    assert own.prompt_ids("Add.", "```") == chat.prompt_ids("Add.", "```")
    assert own.response_ids("a + b") == chat.response_ids("a + b")
    assert own.stop == chat.stop == ("###",)
    assert chat.prompt_text("Add.", "x") == "<bos>" + inference_prompt("Add.", "x")


def test_a_response_ends_as_the_template_ends_it():
    tokenizer = tokenizer_of(KINDS["turn_end_is_not_eos"])
    chat = ChatFormat(tokenizer, "own")
    assert chat.end_ids == [SPECIAL["<|im_end|>"]] == chat.stop_token_ids
    assert chat.stop == ()
    tokenizer.chat_template = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}" + (
        "{% if add_generation_prompt %}assistant: {% endif %}"
    )
    assert ChatFormat(tokenizer, "own").end_ids == [SPECIAL["<eos>"]]


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (None, "expected a chat template in the tokenizer, found none; use the layout 'reference'"),
        ("{{ messages[-1]['content'] }}", "does not render a response after the prompt"),
    ],
)
def test_a_template_that_cannot_be_trained_in_is_refused(template, message):
    tokenizer = tokenizer_of(Kind(template=template))
    with pytest.raises(DataError, match=message):
        ChatFormat(tokenizer, "own", "some/model").response_ids("x")
    assert chat_format(tokenizer).layout == ("own" if template else "reference")


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "starcoder2", "mistral"])
def test_the_tokenizer_is_that_of_autotokenizer(tmp_path, tokenizer, architecture):
    tokenizer.save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": architecture}))
    loaded, expected = load_tokenizer(tmp_path), AutoTokenizer.from_pretrained(tmp_path)
    assert type(loaded) is type(expected)
    assert loaded.chat_template == expected.chat_template
    assert loaded("größer\n`").input_ids == expected("größer\n`").input_ids


def test_the_tokenizer_of_the_embedded_models_kind_is_loaded_without_torch(tmp_path):
    write_tiny_checkpoint(tmp_path)
    program = (
        "import sys; from selfalign.core.chat import load_tokenizer; "
        "load_tokenizer(sys.argv[1]); sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)
