"""Trainings of adapters: what they learn, resume from, leave behind and refuse."""

import importlib.util
import json
import shutil

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from selfalign.core.checkpoint import read_identity
from selfalign.core.config import load_config
from selfalign.core.config.training import LoraConfig, TrainingConfig
from selfalign.core.errors import ConfigError, DataError
from selfalign.respond import load
from selfalign.train import checkpoints
from selfalign.train.job import TrainingJob
from selfalign.train.launch import check
from selfalign.train.run import train

RECIPE = TrainingConfig(
    method="lora",
    lora=LoraConfig(r=4, lora_alpha=8),
    learning_rate=1e-2,
    gradient_accumulation_steps=4,
    num_train_epochs=2,
    max_length=400,
    packed_tokens=600,
    save_steps=6,
)


def job_in(directory, base, dataset, **changes):
    return TrainingJob(
        config=RECIPE.model_copy(update=changes),
        base=base,
        dataset=dataset,
        out=directory / "tuned",
        metrics=directory / "metrics.jsonl",
        work=directory / "work",
        title="owner/base",
    )


def files(directory):
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def losses(job):
    return [json.loads(line)["loss"] for line in job.metrics.open()]


def logits(model):
    with torch.inference_mode():
        return model(torch.arange(5, 60)[None]).logits


@pytest.fixture(scope="module")
def merged(llama, dataset, tmp_path_factory):
    job = job_in(tmp_path_factory.mktemp("merged"), llama, dataset)
    train(job)
    return job


def test_the_loss_goes_down(merged):
    found = losses(merged)
    assert len(found) == 12
    # The embeddings, which are also the output layer, stay random.
    assert sum(found[-3:]) / 3 < sum(found[:3]) / 3 - 0.2


def test_the_merged_checkpoint_computes_what_the_adapter_does(merged, llama):
    base = AutoModelForCausalLM.from_pretrained(llama)
    before = logits(base)
    whole = logits(AutoModelForCausalLM.from_pretrained(merged.out))
    adapted = logits(PeftModel.from_pretrained(base, merged.out / "adapter"))
    torch.testing.assert_close(whole, adapted, atol=1e-4, rtol=0)
    assert (whole - before).abs().max() > 0.1
    # The checkpoint is the base model but for the weights of the layers with an adapter.
    one, two = load_file(llama / "model.safetensors"), load_file(merged.out / "model.safetensors")
    assert {name for name in one if not torch.equal(one[name], two[name])} == {
        name for name in one if name.endswith("_proj.weight")
    }


@pytest.mark.parametrize("merge", [True, False])
def test_resumed_and_repeated_trainings_write_the_same_files(llama, dataset, tmp_path, merge):
    changes = {"precision": "bfloat16", "lora": LoraConfig(r=4, lora_dropout=0.1, merge=merge)}
    job = job_in(tmp_path, llama, dataset, **changes)
    train(job)
    whole = files(job.out)
    shutil.rmtree(job.checkpoints / "checkpoint-12")
    found = checkpoints.last_whole(job.checkpoints)
    assert found is not None
    assert found.name == "checkpoint-6"
    # A checkpoint to resume from has the adapter, not the base model.
    assert not (found / "model.safetensors").exists()
    train(job)
    assert files(job.out) == whole
    for content in whole.values():
        assert str(llama).encode() not in content


def test_an_adapter_alone_is_identified_by_its_base_model_too(llama, dataset, tmp_path, merged):
    job = job_in(tmp_path / "a", llama, dataset, lora=LoraConfig(r=4, lora_alpha=8, merge=False))
    train(job)
    assert losses(job) == losses(merged)
    adapter = "adapter_model.safetensors"
    assert (job.out / adapter).read_bytes() == (merged.out / "adapter" / adapter).read_bytes()
    assert not (job.out / "model.safetensors").exists()
    written = json.loads((job.out / "adapter_config.json").read_text())
    assert written["base_model_name_or_path"] == "owner/base"
    assert written["target_modules"] == sorted(written["target_modules"])
    card = (job.out / "README.md").read_text()
    assert "library_name: peft\n" in card
    assert "base_model: owner/base\n" in card
    assert "| `lora.r` | 4 |" in card
    # The same files on another base model are another model.
    identity = read_identity(job.out)
    other = tmp_path / "base"
    shutil.copytree(llama, other)
    weights = AutoModelForCausalLM.from_pretrained(other)
    with torch.no_grad():
        weights.model.norm.weight[0] += 1e-6
    weights.save_pretrained(other)
    assert read_identity(other) != read_identity(llama)
    again = job_in(tmp_path / "b", other, dataset, lora=LoraConfig(r=4, lora_alpha=8, merge=False))
    train(again)
    shutil.copy(job.out / adapter, again.out / adapter)
    assert read_identity(again.out) != identity
    with pytest.raises(DataError, match=r"found a LoRA adapter.*training\.lora\.merge"):
        load(job.out)


def test_batching_changes_nothing_for_adapters_of_starcoder2(starcoder2, dataset, tmp_path):
    found = []
    for batching in ("padded", "packed"):
        job = job_in(tmp_path / batching, starcoder2, dataset, batching=batching, max_steps=3)
        train(job)
        found.append(losses(job))
    assert found[0] == pytest.approx(found[1], rel=1e-4)


def test_gradient_checkpointing_changes_nothing(merged, llama, dataset, tmp_path):
    job = job_in(tmp_path, llama, dataset, gradient_checkpointing=True)
    train(job)
    assert losses(job) == pytest.approx(losses(merged), rel=1e-4)


def test_layers_that_the_model_does_not_have_are_refused(llama, dataset, tmp_path):
    lora = LoraConfig(target_modules=["q_proj", "c_attn"])
    with pytest.raises(ConfigError, match=r"target_modules: .* no linear layer 'c_attn'; expected .*q_proj"):
        check(job_in(tmp_path, llama, dataset, lora=lora))
    check(job_in(tmp_path, llama, dataset, lora=LoraConfig(target_modules=["q_proj"])))


def test_qlora_needs_a_gpu_and_bitsandbytes(llama, dataset, tmp_path, monkeypatch):
    job = job_in(tmp_path, llama, dataset, method="qlora")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match=r"'qlora' requires a GPU.*use 'lora'"):
        check(job)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name == "bitsandbytes" else found(name, *rest),
    )
    with pytest.raises(ConfigError, match=r"requires bitsandbytes, .*pip install bitsandbytes"):
        check(job)


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ({"lora": {"r": 4}}, r"'training' .*'training\.lora' is set, but 'training\.method' is 'full'"),
        ({"method": "lora", "lora": {"r": 0}}, r"'training\.lora\.r' is 0"),
        ({"method": "lora", "lora": {"r": 513}}, r"'training\.lora\.r' is 513"),
        (
            {"method": "qlora", "accelerate": "zero3"},
            r"'qlora' conflicts with 'training\.accelerate' 'zero3'",
        ),
    ],
)
def test_settings_that_conflict_are_refused(training, message):
    with pytest.raises(ConfigError, match=message):
        load_config({"training": training})


def test_an_adapter_alone_conflicts_with_a_server_command():
    command = {"kind": "command", "command": ["serve", "{model}", "{port}"]}
    value = {"server": command, "training": {"method": "lora", "lora": {"merge": False}}}
    with pytest.raises(
        ConfigError, match=r"'training\.lora\.merge' is false, but 'server\.kind' is 'command'"
    ):
        load_config(value)
    load_config({**value, "training": {"method": "lora"}})
