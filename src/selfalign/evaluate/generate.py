"""Generate a model's solutions to the tasks of a benchmark, with the client and servers of the training data."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from selfalign.benchmarks import Benchmark, load_benchmark
from selfalign.client import Client, Request
from selfalign.core.chat import inference_prompt
from selfalign.core.config import Config
from selfalign.core.config.evaluation import BenchmarkChoice
from selfalign.core.errors import InfrastructureError
from selfalign.core.jsonl import Record, write_jsonl
from selfalign.evaluate.prompts import Render, build_task_format, checkpoint_template
from selfalign.serving.client import served_client

logger = logging.getLogger(__name__)


def sample_benchmark(
    config: Config,
    model: str,
    choice: BenchmarkChoice,
    out: str | Path,
    *,
    checkpoint: str | Path | None,
    data: str | Path | None,
) -> None:
    """Serve a model and write its samples for a benchmark.

    Args:
        config: configuration of the model, its server and the client.
        model: ``base`` or ``tuned``.
        choice: the benchmark and its sampling parameters.
        out: JSON Lines file to write, see :func:`generate_samples`.
        checkpoint: directory of the model; None if an external server has it.
        data: directory of the benchmark's data; None if an installed package holds them.

    Raises:
        InfrastructureError: a task was not completed; nothing is written.
    """
    window = (choice.window[0], choice.window[1]) if choice.window else None
    benchmark = load_benchmark(choice.name, choice.version, data, window=window)
    chat = model == "tuned" or config.evaluation.base_layout == "chat"
    # A released model brings its own chat template. The model tuned by this run has learnt selfalign's.
    render = inference_prompt
    if chat and model == "base":
        source = config.model
        render = (
            checkpoint_template(checkpoint)
            if checkpoint
            else checkpoint_template(source.id or source.path or "", source.revision)
        )
    with served_client(config, checkpoint, tuned=model == "tuned") as (client, _):
        generate_samples(
            benchmark,
            choice,
            client,
            out,
            layout="chat" if chat else "plain",
            seed=config.evaluation.seed,
            render=render,
        )


def generate_samples(
    benchmark: Benchmark,
    choice: BenchmarkChoice,
    client: Client,
    out: str | Path,
    *,
    layout: str,
    seed: int,
    render: Render = inference_prompt,
) -> None:
    """Request completions for every task and write the samples in the order of the tasks.

    Each line has EvalPlus' fields ``task_id`` and ``solution``, and ``sample`` (number within the task), ``answer``
    (the completion) and ``finish_reason``.

    Args:
        benchmark: a loaded benchmark.
        choice: sampling parameters; the benchmark's definition has the defaults.
        client: client of the model server.
        out: JSON Lines file to write.
        layout: prompt layout, ``plain`` or ``chat``.
        seed: task i is sampled with seed + i; greedy requests carry no seed.
        render: builds the prompts of the chat layout.

    Raises:
        InfrastructureError: a task was not completed. Nothing is written, because a score of the other tasks would
            not be comparable. Finished completions are in the completion cache; a rerun requests the rest.
    """
    task_format = build_task_format(benchmark, layout, render)
    sampling = benchmark.definition.sampling
    temperature = sampling.temperature if choice.temperature is None else choice.temperature
    n = choice.n or sampling.n

    def requests() -> Iterator[Request]:
        for index, task in enumerate(benchmark.tasks):
            yield Request(
                key=task.id,
                prompt=task_format.prompt(task),
                max_tokens=choice.max_new_tokens or sampling.max_new_tokens,
                temperature=temperature,
                n=n,
                seed=seed + index if temperature > 0 else None,
                stop=tuple(task_format.layout.stop),
            )

    def rows() -> Iterator[Record]:
        for task, result in zip(benchmark.tasks, client.complete(requests()), strict=True):
            if result.error is not None:
                raise InfrastructureError(
                    f"{benchmark.definition.title}, task {task.id}: no completion from the model server "
                    f"({result.error}); run again to request the missing ones: an incomplete benchmark is not scored"
                )
            for number, each in enumerate(result.choices):
                yield {
                    "task_id": task.id,
                    "sample": number,
                    "solution": task_format.solution(task, each.text),
                    "answer": each.text,
                    "finish_reason": each.finish_reason,
                }

    count = write_jsonl(out, rows())
    logger.info("%s: %d samples for %d tasks", benchmark.definition.title, count, len(benchmark.tasks))
