"""What the Trainer's metrics say, and the trackers that they are reported to."""

import importlib.util
import json
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModelForCausalLM, GPT2Config, MambaConfig

from selfalign.core.config.training import LoraConfig, TrainingConfig
from selfalign.core.errors import ConfigError
from selfalign.report.figures import account_training
from selfalign.train import launch as launching
from selfalign.train.adapters import add_adapter
from selfalign.train.flops import ModelFlops, peak_flops
from selfalign.train.job import TrainingJob
from selfalign.train.run import train
from selfalign.train.trainer import peak_memory_mb

CONFIG = TrainingConfig(gradient_accumulation_steps=3, max_steps=2, max_length=400)


def test_the_peak_of_memory_is_the_process_own_and_not_that_of_its_parent():
    held = torch.ones(2**27)  # 512 MiB
    code = "from selfalign.train.trainer import peak_memory_mb; print(peak_memory_mb())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert peak_memory_mb() > held.numel() * held.element_size() / 2**20
    assert 50 < float(done.stdout) < peak_memory_mb() - 256


@pytest.mark.parametrize("method", ["full", "lora"])
def test_operations_are_those_that_pytorch_counts(base, method):
    model = AutoModelForCausalLM.from_pretrained(base, attn_implementation="eager")
    found = ModelFlops.of(model)
    if method == "lora":
        config = TrainingConfig(method="lora", lora=LoraConfig(r=8))
        model = add_adapter(model, config)
        assert ModelFlops.of(model).per_token < found.per_token
        found = ModelFlops.of(model.get_base_model())
    length = 200
    counter = FlopCounterMode(display=False)
    with counter:
        model(input_ids=torch.arange(length)[None]).logits.sum().backward()
    # Eager attention also computes the pairs with later tokens, which are masked, and the first layer of a frozen model
    # needs no gradient of its input.
    counted = found.per_token * length + found.per_pair * length**2
    assert counted == pytest.approx(counter.get_total_flops(), rel=0.001 if method == "full" else 0.1)
    assert found.of_rows([length]) == found.per_token * length + found.per_pair * length * (length + 1) // 2
    assert found.of_rows([3, 5]) == found.of_rows([3]) + found.of_rows([5])


def test_models_of_other_families_are_counted():
    gpt2 = AutoModelForCausalLM.from_config(
        GPT2Config(vocab_size=100, n_embd=32, n_layer=2, n_head=4, n_positions=64)
    )
    per_layer = 32 * (3 * 32 + 32 + 4 * 32 + 4 * 32)
    assert ModelFlops.of(gpt2) == ModelFlops(6 * (2 * per_layer + 32 * 100), 12 * 2 * 32)
    mamba = AutoModelForCausalLM.from_config(
        MambaConfig(vocab_size=100, hidden_size=32, num_hidden_layers=2, state_size=4)
    )
    assert ModelFlops.of(mamba).per_token > 6 * 32 * 100
    assert ModelFlops.of(mamba).per_pair == 0


def job_in(directory, base, dataset, **changes):
    config = CONFIG.model_copy(update=changes)
    return TrainingJob(
        config, base, dataset, directory / "tuned", directory / "tuned.metrics.jsonl", directory / "work"
    )


@pytest.mark.parametrize("batching", ["padded", "packed"])
def test_the_metrics_have_what_a_step_took(llama, dataset, tmp_path, batching):
    job = job_in(tmp_path, llama, dataset, batching=batching, per_device_train_batch_size=3, peak_tflops=1e-3)
    train(job)
    rows = [json.loads(line) for line in job.metrics.open()]
    model = AutoModelForCausalLM.from_pretrained(llama)
    for row in rows:
        assert (row["padding_share"] > 0.05) == (batching == "padded")
        assert row["flops"] > ModelFlops.of(model).per_token * row["tokens"]
        assert row["mfu"] == pytest.approx(row["flops"] / row["tokens"] * row["tokens_per_s"] / 1e9, rel=0.01)
        assert row["peak_memory_mb"] > 50
    # None of it is part of the checkpoint, whose files decide its identity.
    state = json.loads((job.out / "trainer_state.json").read_text())
    assert not {"flops", "mfu", "padding_share", "tokens_per_s"} & set(state["log_history"][0])
    total = account_training(rows)
    assert total["tokens"] == sum(row["tokens"] for row in rows)
    assert min(row["tokens_per_s"] for row in rows) <= total["tokens_per_s"]
    assert total["tokens_per_s"] <= max(row["tokens_per_s"] for row in rows)
    assert total["mfu"] == pytest.approx(
        total["flops"] / total["tokens"] * total["tokens_per_s"] / 1e9, rel=0.01
    )
    del rows[0]["mfu"]
    assert "mfu" not in account_training(rows)
    del rows[0]["flops"]
    assert account_training(rows) == {}


def test_the_peak_performance_is_configured_or_that_of_a_known_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert peak_flops(CONFIG) is None
    assert peak_flops(CONFIG.model_copy(update={"peak_tflops": 0.5})) == 5e11
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA A100-SXM4-80GB")
    assert peak_flops(CONFIG) is None  # the known figure is that of bfloat16
    assert peak_flops(CONFIG.model_copy(update={"precision": "bfloat16"})) == 312e12


def test_metrics_are_reported_to_tensorboard(llama, dataset, tmp_path):
    job = job_in(tmp_path, llama, dataset, report_to=["tensorboard"])
    launching.launch(job, threads=1, log=tmp_path / "log")
    events = EventAccumulator(str(tmp_path / "tensorboard" / job.out.name))
    events.Reload()
    rows = [json.loads(line) for line in job.metrics.open()]
    for name in ("loss", "tokens", "flops", "padding_share"):
        reported = [(each.step, each.value) for each in events.Scalars(f"train/{name}")]
        assert reported == [(row["step"], pytest.approx(row[name], rel=1e-6)) for row in rows]


def test_tensorboard_files_are_where_the_user_wants_them(llama, dataset, tmp_path, monkeypatch):
    seen = []

    def run(*_, env, **__):
        seen.append(env["TENSORBOARD_LOGGING_DIR"])
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.delenv("TENSORBOARD_LOGGING_DIR", raising=False)
    job = job_in(tmp_path, llama, dataset)
    other = replace(job, out=job.out.with_name("one-25-2e-05"))  # of a learning curve
    for each in (job, other):
        launching.launch(each, threads=1)
    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", "elsewhere")
    launching.launch(job, threads=1)
    directories = [str(tmp_path / "tensorboard" / each.out.name) for each in (job, other)]
    assert seen == [*directories, "elsewhere"]


def test_a_tracker_that_is_not_installed_is_named(llama, dataset, tmp_path):
    assert importlib.util.find_spec("wandb") is None
    with pytest.raises(
        ConfigError, match=r"training\.report_to: 'wandb' is not installed.*pip install wandb"
    ):
        launching.check(job_in(tmp_path, llama, dataset, report_to=["wandb"]))
