"""Training on one GPU: batchings, attention kernels and memory, against a plain Trainer and TRL's SFTTrainer.

    python benchmarks/gpu.py --json [--budget SECONDS] [--models 1b 3b]

Needs a GPU, torch, transformers, accelerate and pydantic, and no network. selfalign need not be installed: `make gpu`
runs this script with ``python3`` and ``PYTHONPATH=src``. Models of the architecture of StarCoder2 with random weights
are trained in bfloat16 with Adafactor on rows of random tokens, whose lengths are log-normally
distributed (450 tokens on average, at most 1280), 64 rows a step. Every case runs in a process of its own; those
that no longer fit into the budget (10 minutes) are recorded as skipped. Without a GPU, the same cases run in one
process on a tiny model and tiny rows: a test of this script, not a measurement.

Figures (the last line of the output is one JSON object), for each model and case:

- ``tokens_per_s``: tokens of rows, without padding, per second of wall time; the first steps, which warm up, are left out.
- ``mfu``: utilisation of the GPU's peak performance for dense bfloat16 by model FLOPs
  (`selfalign.train.flops`); absent if the GPU model is unknown.
- ``peak_memory_gib``, and ``planned_memory_gib``, the estimate of `selfalign plan train` for the same configuration.
- ``loss_difference``: largest relative difference of a step's loss from that of the published batching; the rows of a
  step are the same in all cases of selfalign.
- ``ratios``: tokens per second over those of ``published``, rows one by one with accumulated gradients.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)
from transformers.trainer_utils import SaveStrategy

from selfalign.core.config.training import TrainingConfig
from selfalign.core.gpus import GPUS, reported_tflops
from selfalign.core.host import machine
from selfalign.plan.training import GIB, estimate, read_shape
from selfalign.train.data import IGNORED, Encoded
from selfalign.train.flops import ModelFlops
from selfalign.train.run import build_trainer
from selfalign.train.trainer import peak_memory_mb

# Shapes of StarCoder2; 3b is the published one.
STARCODER2 = {
    "model_type": "starcoder2",
    "vocab_size": 49152,
    "num_key_value_heads": 2,
    "use_bias": True,
    "tie_word_embeddings": True,
    "max_position_embeddings": 16384,
    "sliding_window": 4096,
    "bos_token_id": 0,
    "eos_token_id": 0,
}
MODELS: dict[str, dict[str, Any]] = {
    "1b": {
        "hidden_size": 2048,
        "intermediate_size": 8192,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
    },
    "3b": {
        "hidden_size": 3072,
        "intermediate_size": 12288,
        "num_hidden_layers": 30,
        "num_attention_heads": 24,
    },
    "tiny": {
        "hidden_size": 64,
        "intermediate_size": 256,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "vocab_size": 512,
    },
}
TINY = "tiny"
PUBLISHED = "published"
OURS: dict[str, dict[str, Any]] = {
    PUBLISHED: {"batching": "padded", "per_device_train_batch_size": 1},
    "packed": {"batching": "packed"},
    "packed_flash": {"batching": "packed", "attention": "flash_attention_2"},
    "packed_checkpointing": {"batching": "packed", "gradient_checkpointing": True},
    "padded_4": {"batching": "padded", "per_device_train_batch_size": 4},
    "grouped_4": {"batching": "grouped", "per_device_train_batch_size": 4},
}
TRAINER, SFT = "trainer_4", "trl_packed"
CASES = (*OURS, TRAINER, SFT)
# What a case needs besides torch, transformers and accelerate.
NEEDS = {"packed_flash": "flash_attn", SFT: "trl"}
WARM_UP = 2  # steps that are not measured
BUDGET_S = 540.0


class Workload:
    """Rows and batch sizes for a model.

    Args:
        tiny: whether they are for the tiny model on a CPU.
    """

    def __init__(self, *, tiny: bool) -> None:
        self.steps = 3 if tiny else 6
        self.rows_per_step = 8 if tiny else 64
        self.max_length = 64 if tiny else 1280
        self.packed_tokens = 128 if tiny else 8192
        mean, vocabulary = (24, 512) if tiny else (450, 49152)
        chance = random.Random(0)
        # A log-normal distribution with this mean.
        sigma = 0.5
        lengths = [
            min(self.max_length, max(8, round(chance.lognormvariate(math.log(mean) - sigma**2 / 2, sigma))))
            for _ in range(self.steps * self.rows_per_step)
        ]
        self.encoded = Encoded()
        for length in lengths:
            ids = [chance.randrange(vocabulary) for _ in range(length)]
            prompt = length // 3
            self.encoded.examples.append({"input_ids": ids, "labels": [IGNORED] * prompt + ids[prompt:]})
        self.lengths = lengths

    def recipe(self, name: str) -> TrainingConfig:
        """Return the published recipe with the batching of a case."""
        how = {"attention": "sdpa", **OURS[name]}
        size = how.get("per_device_train_batch_size", 1)
        return TrainingConfig(
            learning_rate=1e-5,
            precision="bfloat16",
            num_train_epochs=1,
            gradient_accumulation_steps=self.rows_per_step // size,
            max_length=self.max_length,
            packed_tokens=self.packed_tokens,
            **how,
        )


class Clock(TrainerCallback):
    """The times at which the steps of a training ended, in seconds."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002 - the base's signature
        """Record the end of a step."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.times.append(time.perf_counter())


def write_model(name: str, directory: Path) -> None:
    """Write a checkpoint with random weights in bfloat16."""
    set_seed(0)
    config = AutoConfig.for_model(**{**STARCODER2, **MODELS[name]})
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).save_pretrained(directory)


def train_with_selfalign(case: str, base: Path, load: Workload, work: Path) -> dict[str, Any]:
    """Train with `selfalign train`'s trainer; return the figures of a case."""
    config = load.recipe(case)
    tokenizer = SimpleNamespace(pad_token_id=0, eos_token_id=0)
    trainer = build_trainer(config, base, load.encoded, tokenizer, work)
    trainer.args.save_strategy = SaveStrategy.NO
    clock = Clock()
    trainer.add_callback(clock)
    trainer.train()
    logged = [row for row in trainer.state.log_history if "loss" in row]
    planned = estimate(
        read_shape(base),
        config,
        GPUS["h100-80gb"],  # for the duration, which is not used
        rows=len(load.encoded),
        tokens_per_row=sum(load.lengths) / len(load.lengths),
    )
    return {
        **rates(clock.times, [int(row["tokens"]) for row in logged], trainer.model, load),
        "padding_share": round(sum(row["padding_share"] for row in logged) / len(logged), 4),
        "planned_memory_gib": round(planned.total, 2),
        "losses": [row["loss"] for row in logged],
    }


def arguments(work: Path, size: int, accumulated: int) -> dict[str, Any]:
    """Return the arguments of the published recipe for the Trainer of transformers or TRL."""
    return {
        "output_dir": str(work),
        "learning_rate": 1e-5,
        "optim": "adafactor",
        "bf16": True,
        "use_cpu": not torch.cuda.is_available(),
        "max_grad_norm": 0.0,
        "per_device_train_batch_size": size,
        "gradient_accumulation_steps": accumulated,
        "num_train_epochs": 1,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": [],
        "disable_tqdm": True,
        "gradient_checkpointing": False,
    }


def counted(collate: Callable[[Any], Any], tokens: list[int]) -> Callable[[Any], Any]:
    """Return a collator that also appends the number of tokens of every batch, without padding, to `tokens`."""

    def collate_and_count(rows: list[Any]) -> Any:
        batch = collate(rows)
        mask = batch.get("attention_mask")
        tokens.append(int(batch["input_ids"].numel() if mask is None else mask.sum()))
        return batch

    return collate_and_count


def pad_rows(rows: list[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
    """Pad rows to the longest, as transformers' collators do."""
    longest = max(len(row["input_ids"]) for row in rows)

    def padded(name: str, filler: int) -> torch.Tensor:
        return torch.tensor([row[name] + [filler] * (longest - len(row[name])) for row in rows])

    mask = [[1] * len(row["input_ids"]) + [0] * (longest - len(row["input_ids"])) for row in rows]
    return {
        "input_ids": padded("input_ids", 0),
        "labels": padded("labels", IGNORED),
        "attention_mask": torch.tensor(mask),
    }


def load_plain(base: Path, attention: str) -> Any:
    return AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16, attn_implementation=attention)


def train_with_trainer(_: str, base: Path, load: Workload, work: Path) -> dict[str, Any]:
    """Train with transformers' Trainer on padded batches of 4 rows; return the figures of a case."""
    tokens: list[int] = []
    clock = Clock()
    accumulated = load.rows_per_step // 4
    trainer = Trainer(
        load_plain(base, "sdpa"),
        TrainingArguments(**arguments(work, 4, accumulated)),
        data_collator=counted(pad_rows, tokens),
        train_dataset=load.encoded.examples,  # pyright: ignore[reportArgumentType] - a list is a dataset
        callbacks=[clock],
    )
    trainer.train()
    steps = [sum(tokens[start : start + accumulated]) for start in range(0, len(tokens), accumulated)]
    return rates(clock.times, steps, trainer.model, load)


def train_with_sft(_: str, base: Path, load: Workload, work: Path) -> dict[str, Any]:
    """Train with TRL's SFTTrainer and packing; return the figures of a case."""
    from datasets import Dataset
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    trl = importlib.import_module("trl")  # optional
    words = models.WordLevel({"<pad>": 0}, unk_token="<pad>")
    flash = importlib.util.find_spec("flash_attn") is not None and torch.cuda.is_available()
    accumulated = max(
        1, round(load.rows_per_step * sum(load.lengths) / len(load.lengths) / load.packed_tokens)
    )
    tokens: list[int] = []
    clock = Clock()
    trainer = trl.SFTTrainer(
        load_plain(base, "flash_attention_2" if flash else "sdpa"),
        trl.SFTConfig(**arguments(work, 1, accumulated), max_length=load.packed_tokens, packing=True),
        train_dataset=Dataset.from_list(load.encoded.examples),
        # The rows are token ids already; it is asked for the padding only.
        processing_class=PreTrainedTokenizerFast(
            tokenizer_object=Tokenizer(words), pad_token="<pad>", eos_token="<pad>"
        ),
        callbacks=[clock],
    )
    trainer.data_collator = counted(trainer.data_collator, tokens)
    trainer.train()
    steps = [sum(tokens[start : start + accumulated]) for start in range(0, len(tokens), accumulated)]
    return rates(clock.times, steps, trainer.model, load)


def rates(times: list[float], tokens: list[int], model: Any, load: Workload) -> dict[str, Any]:
    """Return throughput, utilisation and peak memory.

    Args:
        times: when each step ended, in seconds.
        tokens: tokens of each step, without padding.
        model: the trained model.
        load: the rows, whose mean number of operations per token is used.
    """
    first = min(WARM_UP, len(times) - 1)
    per_s = sum(tokens[first : len(times)]) / (times[-1] - times[first - 1])
    per_token = ModelFlops.of(model).of_rows(load.lengths) / sum(load.lengths)
    peak = reported_tflops(torch.cuda.get_device_name()) if torch.cuda.is_available() else None
    return {
        "tokens_per_s": round(per_s, 1),
        **({} if peak is None else {"mfu": round(per_s * per_token / (peak * 1e12), 4)}),
        "peak_memory_gib": round(peak_memory_mb() / 1024, 2),
        "steps_measured": len(times) - first,
    }


def run_case(case: str, model: str, base: Path) -> dict[str, Any]:
    """Run a case in this process."""
    train = {TRAINER: train_with_trainer, SFT: train_with_sft}.get(case, train_with_selfalign)
    with tempfile.TemporaryDirectory() as work:
        return train(case, base, Workload(tiny=model == TINY), Path(work))


def run_isolated(case: str, model: str, base: Path, timeout_s: float) -> dict[str, Any]:
    """Run a case in a process of its own; a failure, such as insufficient memory, is its result."""
    command = [sys.executable, __file__, "--case", case, "--models", model, "--base", str(base)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout_s)
    except subprocess.TimeoutExpired:
        return {"skipped": "out of time"}
    if done.returncode:
        return {"failed": (done.stderr.strip().splitlines() or ["no output"])[-1]}
    return json.loads(done.stdout.splitlines()[-1])


def missing(case: str) -> str | None:
    """Return why a case cannot run here, or None."""
    package = NEEDS.get(case)
    if package is not None and importlib.util.find_spec(package) is None:
        return f"{package} is not installed"
    if case == "packed_flash" and not torch.cuda.is_available():
        return "flash-attention needs a GPU"
    return None


def compare(model: str, deadline: float) -> dict[str, Any]:
    """Return the figures of all cases of a model."""
    cases: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as directory:
        base = Path(directory)
        write_model(model, base)
        parameters = read_shape(base).parameters
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        for case in CASES:
            left = deadline - time.monotonic()
            if (reason := missing(case)) is not None:
                cases[case] = {"skipped": reason}
            elif left <= 0:
                cases[case] = {"skipped": "out of time"}
            elif model == TINY:
                cases[case] = run_case(case, model, base)
            else:
                cases[case] = run_isolated(case, model, base, left)
            print(f"{model} {case}: {json.dumps(cases[case])}", file=sys.stderr)
    published = cases[PUBLISHED]
    for each in cases.values():
        if "losses" in each and "losses" in published:
            pairs = zip(each["losses"], published["losses"], strict=True)
            each["loss_difference"] = max(abs(one - other) / other for one, other in pairs)
    measured = {name: each["tokens_per_s"] for name, each in cases.items() if "tokens_per_s" in each}
    ratios = {
        name: round(value / measured[PUBLISHED], 2)
        for name, value in measured.items()
        if PUBLISHED in measured
    }
    return {"parameters": parameters, "cases": cases, "ratios": ratios}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON object")
    parser.add_argument("--budget", type=float, default=BUDGET_S, help="seconds after which no case starts")
    parser.add_argument(
        "--models", nargs="+", choices=MODELS, help="models [default: 3b and 1b; tiny without a GPU]"
    )
    parser.add_argument("--case", choices=CASES, help=argparse.SUPPRESS)
    parser.add_argument("--base", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    started = time.monotonic()
    gpu = torch.cuda.is_available()
    models = given.models or (["3b", "1b"] if gpu else [TINY])
    if given.case:
        print(json.dumps(run_case(given.case, models[0], given.base)))
        return
    figures = {
        "benchmark": "gpu",
        "device": torch.cuda.get_device_name() if gpu else "cpu: a test of the script, not a measurement",
        **({"memory_gib": round(torch.cuda.get_device_properties(0).total_memory / GIB)} if gpu else {}),
        "models": {name: compare(name, started + given.budget) for name in models},
        "seconds": round(time.monotonic() - started),
        "torch": torch.__version__,
        "machine": machine(),
    }
    print(json.dumps(figures, indent=None if given.json else 2))


if __name__ == "__main__":
    main()
