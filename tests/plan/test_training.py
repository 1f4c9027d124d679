"""The calculator against models that are there, against counts by hand, and against the one published run."""

import json

import pytest
from transformers import AutoModelForCausalLM
from typer.testing import CliRunner

from selfalign.cli import build_app
from selfalign.core.config import load_config
from selfalign.core.config.training import LoraConfig, TrainingConfig
from selfalign.core.errors import ConfigError
from selfalign.core.gpus import GPUS, reported_tflops
from selfalign.plan.training import (
    adapter_matrices,
    estimate,
    optimizer_bytes,
    preference_hours,
    read_shape,
)
from selfalign.train.adapters import add_adapter

PUBLISHED = TrainingConfig(
    learning_rate=1e-5,
    num_train_epochs=4,
    max_steps=-1,
    per_device_train_batch_size=1,
    gradient_accumulation_steps=64,
    max_length=1280,
    batching="padded",
    precision="bfloat16",
)


def test_parameters_are_those_of_the_loaded_model(base):
    model = AutoModelForCausalLM.from_pretrained(base)
    assert read_shape(base).parameters == sum(each.numel() for each in model.parameters())


@pytest.mark.parametrize(
    ("name", "billions"),
    [("starcoder2-3b", 3.03), ("starcoder2-7b", 7.17), ("starcoder2-15b", 15.96), ("llama-3-8b", 8.03)],
)
def test_published_models_have_their_published_size(name, billions):
    assert read_shape(name).parameters / 1e9 == pytest.approx(billions, abs=0.01)


def test_the_states_of_adafactor_are_those_the_optimizer_has(base):
    import torch
    from transformers.optimization import Adafactor

    model = AutoModelForCausalLM.from_pretrained(base)
    optimizer = Adafactor(model.parameters(), lr=1e-3, scale_parameter=False, relative_step=False)
    model(torch.tensor([[1, 5, 6]]), labels=torch.tensor([[1, 5, 6]])).loss.backward()
    optimizer.step()
    held = sum(
        value.numel() * value.element_size()
        for state in optimizer.state.values()
        for value in state.values()
        if isinstance(value, torch.Tensor)
    )
    assert optimizer_bytes(read_shape(base).matrices, "adafactor", 4)[0] == held


def test_starcoder2_15b_fits_one_a100_with_adafactor_and_not_with_adamw():
    shape, gpu = read_shape("starcoder2-15b"), GPUS["a100-80gb"]
    asked = {"rows": 50_661, "tokens_per_row": 450}
    assert 64 < estimate(shape, PUBLISHED, gpu, **asked).total < gpu.memory_gib
    adamw = PUBLISHED.model_copy(update={"optim": "adamw_torch"})
    assert estimate(shape, adamw, gpu, **asked).total > gpu.memory_gib
    sharded = estimate(shape, adamw, gpu, gpus=4, sharded=True, **asked)
    assert sharded.total < gpu.memory_gib


def test_the_published_time_is_met_within_a_factor_of_two():
    found = estimate(
        read_shape("starcoder2-15b"), PUBLISHED, GPUS["a100-80gb"], gpus=4, rows=15_000, tokens_per_row=450
    )
    assert 2.5 / 2 < found.hours < 2.5 * 2


def test_less_memory_and_more_time_with_gradient_checkpointing():
    shape, gpu = read_shape("starcoder2-3b"), GPUS["l40s"]
    plain = estimate(shape, PUBLISHED, gpu, rows=1000, tokens_per_row=400)
    again = PUBLISHED.model_copy(update={"gradient_checkpointing": True})
    saving = estimate(shape, again, gpu, rows=1000, tokens_per_row=400)
    assert saving.activations < plain.activations / 2
    assert saving.step_seconds == pytest.approx(plain.step_seconds * 8 / 6)


LORA = PUBLISHED.model_copy(update={"method": "lora", "lora": LoraConfig(r=8)})


def test_preferences_take_the_time_of_their_pairs_and_of_the_reference_model():
    shape, gpu, data = read_shape("starcoder2-15b"), GPUS["a100-80gb"], {"rows": 1000, "tokens_per_row": 500}
    sections = {
        "execution": {"matrix": {"enabled": True}},
        "training": {"num_train_epochs": 2.0, "gradient_accumulation_steps": 8},
        "preferences": {"enabled": True, "gradient_accumulation_steps": 8, "max_pairs_per_instruction": 3},
    }
    config = load_config(sections)
    tuning = estimate(shape, config.training, gpu, **data).hours
    # One epoch instead of two; three pairs of two responses; four forward passes instead of three.
    assert preference_hours(shape, config, gpu, **data) == pytest.approx(tuning / 2 * 3 * 2 * 4 / 3)
    off = load_config({**sections, "preferences": {"enabled": False}})
    assert preference_hours(shape, off, gpu, **data) == 0


def test_adapters_are_those_that_peft_adds(base):
    model = add_adapter(AutoModelForCausalLM.from_pretrained(base), LORA)
    held = [tuple(each.shape) for each in model.parameters() if each.requires_grad]
    assert sorted(adapter_matrices(read_shape(base), LORA)) == sorted(held)
    some = LORA.model_copy(update={"lora": LoraConfig(r=4, target_modules=["q_proj"])})
    model = add_adapter(AutoModelForCausalLM.from_pretrained(base), some)
    held = [tuple(each.shape) for each in model.parameters() if each.requires_grad]
    assert sorted(adapter_matrices(read_shape(base), some)) == sorted(held)


def test_adapters_need_less_memory_and_time_and_quantized_weights_less_memory():
    shape, gpu = read_shape("starcoder2-15b"), GPUS["h100-80gb"]
    asked = {"rows": 1000, "tokens_per_row": 400}
    full, lora, qlora = (
        estimate(shape, config, gpu, **asked)
        for config in (PUBLISHED, LORA, LORA.model_copy(update={"method": "qlora"}))
    )
    assert lora.gradients + lora.optimizer < 0.02 * (full.gradients + full.optimizer)
    assert lora.weights == pytest.approx(full.weights, rel=0.01)
    assert lora.step_seconds == pytest.approx(full.step_seconds * 4 / 6, rel=0.01)
    # All but the embeddings at 4 bits instead of 16.
    assert full.weights / 4 < qlora.weights < full.weights / 3
    assert qlora.gradients == lora.gradients
    again = LORA.model_copy(update={"gradient_checkpointing": True})
    assert estimate(shape, again, gpu, **asked).step_seconds == pytest.approx(full.step_seconds, rel=0.01)


@pytest.mark.parametrize(
    ("name", "tflops"),
    [
        ("NVIDIA A100-SXM4-80GB", 312),
        ("NVIDIA H100 80GB HBM3", 989),
        ("NVIDIA H200", 989),
        ("NVIDIA GeForce RTX 4090", 165),
        ("NVIDIA H100 PCIe", None),
        ("Tesla T4", None),
    ],
)
def test_the_peak_performance_of_a_device_is_found_by_the_name_that_it_reports(name, tflops):
    assert reported_tflops(name) == tflops


def test_the_command(llama):
    done = CliRunner().invoke(build_app(), ["plan", "train", str(llama), "--gpu", "rtx-4090"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["fits"] is True


def test_an_unknown_model_is_refused():
    with pytest.raises(ConfigError, match=r"expected a checkpoint directory or one of starcoder2-3b"):
        read_shape("no-such-model")
