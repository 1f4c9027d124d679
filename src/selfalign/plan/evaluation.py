"""Cost of the evaluation of a configuration: requests, samples and tokens of each benchmark, hours, memory of the server.

The benchmarks' definitions have the numbers of tasks; lengths of prompts and completions are assumptions. A token takes 2
floating-point operations per parameter, as in :mod:`selfalign.plan.whole_run`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from selfalign.benchmarks import load_definition
from selfalign.core.config import Config
from selfalign.plan.throughput import Pace
from selfalign.plan.training import GIB, OVERHEAD_GIB, GpuModel, Shape
from selfalign.plan.whole_run import UTILISATION, WEIGHT_BYTES

# Assumed lengths, in tokens. The published answers of StarCoder2-Instruct to HumanEval have 209 characters on average;
# LiveCodeBench and DS-1000 have longer tasks and answers.
PROMPT_TOKENS = 400
COMPLETION_TOKENS = 250
# Share of a GPU's memory that vLLM uses by default (--gpu-memory-utilization).
MEMORY_SHARE = 0.9


@dataclass(frozen=True)
class BenchmarkCost:
    """Cost of one benchmark, for all models and prompt layouts in which it is evaluated.

    Attributes:
        benchmark: name, with the version if one is configured.
        requests: number of requests, one for each task, model and layout; there is a tuned model in each round, one for each
            checkpoint that is scored, and one trained on preferences. An upper bound for a benchmark with a window of dates
            (that of all its tasks), and for one that repairs failed samples (one for each sample).
        samples: number of samples of all requests.
        prompt_tokens: tokens of all prompts; the samples of a request share its prompt.
        completion_tokens: tokens of all samples.
        hours: time on all GPUs together, in hours.
    """

    benchmark: str
    requests: int
    samples: int
    prompt_tokens: int
    completion_tokens: int
    hours: float


def estimate_evaluation(
    config: Config,
    parameters: int,
    gpu: GpuModel,
    *,
    gpus: int = 1,
    prompt_tokens: int = PROMPT_TOKENS,
    completion_tokens: int = COMPLETION_TOKENS,
    tokens_per_s: float | None = None,
    pace: Pace | None = None,
    rows: int | None = None,
) -> list[BenchmarkCost]:
    """Estimate the cost of every benchmark of a configuration, except those that the run itself makes.

    Args:
        config: the configuration.
        parameters: number of parameters of the model.
        gpu: GPU model.
        gpus: number of GPUs.
        prompt_tokens: mean length of a prompt, in tokens.
        completion_tokens: mean length of a sample, in tokens; at most the benchmark's own limit.
        tokens_per_s: completion tokens per second of all servers together; None: estimated from the GPUs.
        pace: measured throughput, used instead of `tokens_per_s`; None: none.
        rows: number of rows to train on, which decides the number of checkpoints; None: that with which the run starts.
    """
    layouts = config.evaluation.layouts
    tuned = config.rounds + intermediate_checkpoints(config, config.records if rows is None else rows)
    tuned += config.preferences.enabled
    models = len(layouts.base) + tuned * len(layouts.tuned)
    numbers = {
        (choice.name, choice.version): choice.n or load_definition(choice.name).sampling.n
        for choice in config.evaluation.benchmarks
    }
    costs = []
    for choice in config.evaluation.benchmarks:
        definition = load_definition(choice.name)
        tasks = definition.version_named(choice.version)[1].tasks
        if tasks is None:
            continue
        limit = choice.max_new_tokens or definition.sampling.max_new_tokens
        repaired = numbers.get((definition.repairs, choice.version), 1) if definition.repairs else 1
        requests = tasks * models * repaired
        each = choice.n or definition.sampling.n
        samples = requests * each
        prompt, completion = requests * prompt_tokens, samples * min(completion_tokens, limit)
        if pace is not None:
            seconds = 3600 * pace.hours(prompt, completion, each, shared=False)
        elif tokens_per_s:
            seconds = completion / tokens_per_s
        else:
            seconds = 2 * parameters * (prompt + completion) / (gpus * gpu.tflops * 1e12 * UTILISATION)
        costs.append(BenchmarkCost(choice.key, requests, samples, prompt, completion, seconds / 3600))
    return costs


def intermediate_checkpoints(config: Config, rows: int) -> int:
    """Return the number of checkpoints before the last one that are scored.

    Args:
        config: the configuration.
        rows: number of rows to train on.
    """
    training = config.training
    if config.evaluation.checkpoints == "last":
        return 0
    if config.evaluation.checkpoints == "each_epoch":
        return math.ceil(training.num_train_epochs) - 1
    rows_per_step = training.per_device_train_batch_size * training.gradient_accumulation_steps
    steps = math.ceil(training.num_train_epochs * math.ceil(rows / rows_per_step))
    if training.max_steps > 0:
        steps = min(steps, training.max_steps)
    return max(0, steps - 1) // training.save_steps


def server_memory(config: Config, shape: Shape, gpu: GpuModel) -> dict[str, Any]:
    """Return the memory that the model server needs at least on each GPU, as a JSON object with sizes in GiB.

    Args:
        config: the configuration; `server.tensor_parallel` GPUs share the weights and the key-value cache.
        shape: shape of the model.
        gpu: GPU model.
    """
    parts = config.server.tensor_parallel
    weights = WEIGHT_BYTES * shape.parameters / parts / GIB
    # Keys and values of one sequence of the maximum length, in bfloat16.
    sequence = 2 * WEIGHT_BYTES * shape.layers * shape.key_values * config.server.max_model_len / parts / GIB
    least = weights + sequence + OVERHEAD_GIB
    usable = MEMORY_SHARE * gpu.memory_gib
    return {
        "weights_gib": round(weights, 2),
        "longest_sequence_gib": round(sequence, 2),
        "overhead_gib": OVERHEAD_GIB,
        "least_gib": round(least, 2),
        "usable_gib": round(usable, 2),
        "fits": least <= usable,
        "sequences_at_a_time": max(0, int((usable - weights - OVERHEAD_GIB) / sequence))
        if sequence
        else None,
    }
