"""A user's mistake gets one line, before any model is loaded."""

import json

import pytest
import torch
from tiny import write_tiny_checkpoint

from selfalign.core.config.training import TrainingConfig
from selfalign.core.errors import ConfigError, DataError
from selfalign.core.model_config import read_model_config
from selfalign.train.architecture import zero_dropout
from selfalign.train.job import TrainingJob
from selfalign.train.launch import accelerate_arguments, check

GOOD = {"instruction": "Add.", "response": "a + b"}


def checked(tmp_path, base, rows, *, intermediate=None, **settings):
    dataset = tmp_path / "rows.jsonl"
    dataset.write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = TrainingConfig(**{"min_rows": 1, **settings})
    job = TrainingJob(
        config=config,
        base=base,
        dataset=dataset,
        out=tmp_path / "o",
        metrics=tmp_path / "m",
        work=tmp_path / "w",
        intermediate=intermediate,
        kept_steps="all",
    )
    check(job)


@pytest.fixture(autouse=True)
def _no_model_is_loaded(monkeypatch):
    from transformers import AutoModelForCausalLM

    def refuse(*_, **__):
        raise AssertionError("a model was loaded")

    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", refuse)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], r"rows\.jsonl.*at least 1 rows.*found 0"),
        ([GOOD, {"instruction": "Add."}], r"rows\.jsonl.*2.*response"),
        ([GOOD, {"instruction": 3, "response": "a"}], r"rows\.jsonl.*2.*instruction"),
        ([GOOD, {"instruction": "Add.", "response": None}], r"rows\.jsonl.*2.*response"),
        ([GOOD, {"instruction": "Add.", "response": ""}], r"rows\.jsonl.*2.*response.*empty"),
        ([GOOD, {"instruction": " \n", "response": "a"}], r"rows\.jsonl.*2.*instruction.*empty"),
        (
            [GOOD, {"instruction": "many words " * 300, "response": "a"}],
            r"rows\.jsonl.*2.*instruction.*max_length",
        ),
    ],
)
def test_a_bad_row_is_named(tmp_path, llama, rows, message):
    with pytest.raises(DataError, match=message) as caught:
        checked(tmp_path, llama, rows, max_length=200)
    assert "\n" not in str(caught.value)


def test_good_rows_pass(tmp_path, llama):
    checked(tmp_path, llama, [GOOD], max_length=200)


def test_too_few_rows_are_refused(tmp_path, llama):
    with pytest.raises(DataError, match=r"at least 4 rows.*training\.min_rows.*found 3"):
        checked(tmp_path, llama, [GOOD] * 3, min_rows=4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "bert", "architectures": ["BertForMaskedLM"]}, "BertLMHeadModel.*BertForMaskedLM"),
        ({"model_type": "t5", "architectures": ["T5ForConditionalGeneration"]}, "causal language model"),
        ({"model_type": "no-such-model"}, "causal language model.*'no-such-model'"),
        ({"architectures": ["LlamaForSequenceClassification"]}, "LlamaForCausalLM"),
    ],
)
def test_another_architecture_is_refused(tmp_path, changes, message):
    base = write_tiny_checkpoint(tmp_path / "base")
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps({**config, **changes}))
    with pytest.raises(DataError, match=message):
        checked(tmp_path, base, [GOOD])


def test_what_is_no_checkpoint_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"config\.json"):
        checked(tmp_path, tmp_path, [GOOD])


def test_a_checkpoint_without_a_tokenizer_is_refused(tmp_path):
    base = write_tiny_checkpoint(tmp_path / "base")
    for path in base.glob("tokenizer*"):
        path.unlink()
    with pytest.raises(DataError, match="tokenizer"):
        checked(tmp_path, base, [GOOD])


def test_a_tokenizer_that_cannot_be_read_is_refused(tmp_path):
    base = write_tiny_checkpoint(tmp_path / "base")
    (base / "tokenizer.json").write_text("{torn")
    with pytest.raises(DataError, match="tokenizer cannot be read") as caught:
        checked(tmp_path, base, [GOOD])
    assert "\n" not in str(caught.value)


def test_missing_and_torn_weights_are_refused(tmp_path):
    base = write_tiny_checkpoint(tmp_path / "base")
    weights = base / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(DataError, match=r"model\.safetensors.*whole weights"):
        checked(tmp_path, base, [GOOD])
    weights.unlink()
    with pytest.raises(DataError, match=r"model\.safetensors.*no such file"):
        checked(tmp_path, base, [GOOD])
    index = {"weight_map": {"a": "model-1.safetensors"}}
    (base / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(DataError, match=r"model-1\.safetensors.*no such file"):
        checked(tmp_path, base, [GOOD])


def test_a_model_with_fewer_tokens_than_its_tokenizer_is_refused(tmp_path):
    base = write_tiny_checkpoint(tmp_path / "base")
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps({**config, "vocab_size": 100}))
    with pytest.raises(DataError, match=r"vocab_size.*tokens of its tokenizer, found 100"):
        checked(tmp_path, base, [GOOD])


def test_the_configuration_of_a_model_of_another_size_is_refused(tmp_path):
    base = write_tiny_checkpoint(tmp_path / "base")
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(
        json.dumps({**config, "intermediate_size": 2 * config["intermediate_size"]})
    )
    with pytest.raises(
        DataError, match=r"model\.safetensors: expected .* where model\.layers\.0\.mlp.*found \["
    ):
        checked(tmp_path, base, [GOOD])


@pytest.mark.parametrize(
    ("kept", "missing"),
    [
        (lambda name: "layers.1." not in name, r"model\.layers\.1\..*is missing"),
        (lambda name: "layers.1.mlp.down_proj" not in name, r"model\.layers\.1\.mlp\.down_proj.*is missing"),
        (lambda _: False, "is missing"),
    ],
)
def test_weights_that_lack_some_of_the_model_are_refused(tmp_path, kept, missing):
    from safetensors.torch import load_file, save_file

    base = write_tiny_checkpoint(tmp_path / "base")
    weights = base / "model.safetensors"
    left = {name: tensor for name, tensor in load_file(weights).items() if kept(name)}
    save_file(left or {"another": torch.zeros(2)}, weights, metadata={"format": "pt"})
    with pytest.raises(DataError, match=missing):
        checked(tmp_path, base, [GOOD])


@pytest.mark.parametrize("model", ["GPT2", "Starcoder2", "Qwen2"])
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("head", [True, False])
def test_what_transformers_has_saved_passes(tmp_path, model, tied, head):
    import transformers

    base = write_tiny_checkpoint(tmp_path / "base")
    sizes = {"num_hidden_layers": 2, "hidden_size": 32, "num_attention_heads": 2, "num_key_value_heads": 2}
    vocabulary = json.loads((base / "config.json").read_text())["vocab_size"]
    config = getattr(transformers, f"{model}Config")(**sizes, vocab_size=vocabulary, tie_word_embeddings=tied)
    whole = transformers.AutoModelForCausalLM.from_config(config)
    (whole if head else whole.base_model).save_pretrained(base)
    known = json.loads((base / "config.json").read_text())
    changed = {"architectures": [type(whole).__name__], "summary_first_dropout": 0}
    (base / "config.json").write_text(json.dumps({**known, **changed}))
    if head or tied:
        checked(tmp_path, base, [GOOD])
    else:
        with pytest.raises(DataError, match=r"lm_head\.weight is missing"):
            checked(tmp_path, base, [GOOD])


@pytest.mark.parametrize(
    ("family", "fields"),
    [
        ("Starcoder2Config", {"attention_dropout", "residual_dropout", "embedding_dropout"}),
        ("LlamaConfig", {"attention_dropout"}),
        ("Qwen2Config", {"attention_dropout"}),
        ("GPT2Config", {"attn_pdrop", "resid_pdrop", "embd_pdrop"}),
    ],
)
def test_the_dropouts_of_a_family_are_set_to_zero(family, fields):
    import transformers

    config = getattr(transformers, family)().to_dict()
    config.pop("summary_first_dropout", None)  # of heads other than the language model's
    assert zero_dropout(config, "base") == dict.fromkeys(fields, 0.0)


def test_an_unknown_dropout_is_refused_by_name(tmp_path):
    base = write_tiny_checkpoint(tmp_path / "base")
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps({**config, "mlp_dropout": 0.1}))
    with pytest.raises(ConfigError, match=r"mlp_dropout = 0\.1"):
        zero_dropout(read_model_config(base), base)


def test_an_unknown_accelerate_configuration_is_refused():
    with pytest.raises(ConfigError, match=r"training\.accelerate.*cpu, ddp, fsdp, gpu, zero3"):
        accelerate_arguments("tpu", 1)


def test_a_training_without_intermediate_checkpoints_is_not_started(llama, tmp_path):
    steps = {"gradient_accumulation_steps": 1, "num_train_epochs": 2}
    checked(tmp_path, llama, [GOOD, GOOD], intermediate=tmp_path / "all", save_steps=3, **steps)
    with pytest.raises(ConfigError) as error:
        checked(tmp_path, llama, [GOOD, GOOD], intermediate=tmp_path / "all", save_steps=4, **steps)
    assert str(error.value) == (
        "configuration: 'evaluation.checkpoints' is all, but the training has 4 steps and 'training.save_steps' is 4, so "
        "that no checkpoint precedes the last one; expected fewer than 4 steps between checkpoints"
    )
    checked(tmp_path, llama, [GOOD, GOOD], save_steps=4, **steps)
