"""Generate a model's solutions to the tasks of a benchmark, with the client and servers of the training data."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from selfalign.benchmarks import Benchmark, load_benchmark
from selfalign.client import Client, Request
from selfalign.core.chat import ChatFormat, load_tokenizer
from selfalign.core.config import Config
from selfalign.core.config.evaluation import BenchmarkChoice, PromptLayout
from selfalign.core.errors import InfrastructureError
from selfalign.core.jsonl import Record, write_jsonl
from selfalign.evaluate.prompts import TaskFormat, build_task_format
from selfalign.serving.client import served_client

logger = logging.getLogger(__name__)


def sample_benchmark(
    config: Config,
    layout: PromptLayout,
    choice: BenchmarkChoice,
    out: str | Path,
    *,
    tuned: bool,
    checkpoint: str | Path | None,
    tokenizer: str | Path | None,
    data: str | Path | None,
    base: str | Path | None = None,
) -> None:
    """Serve a model and write its samples for a benchmark.

    Args:
        config: configuration of the model, its server and the client.
        layout: prompt layout.
        choice: the benchmark and its sampling parameters.
        out: JSON Lines file to write, see :func:`generate_samples`.
        tuned: whether the model was fine-tuned by this run.
        checkpoint: directory of the model; None if an external server has it.
        tokenizer: directory of the base model, whose tokenizer and chat template both models have; None: they are
            loaded from the hub.
        data: directory of the benchmark's data; None if an installed package holds them.
        base: directory of the base model, needed if `checkpoint` is a LoRA adapter.

    Raises:
        DataError: the tokenizer is missing, or has no chat template.
        InfrastructureError: a task was not completed; nothing is written.
    """
    window = (choice.window[0], choice.window[1]) if choice.window else None
    benchmark = load_benchmark(choice.name, choice.version, data, window=window)
    chat = None
    if layout != "plain":
        source = config.model
        if tokenizer is not None:
            chat = ChatFormat(load_tokenizer(tokenizer), layout, tokenizer)
        else:
            chat = ChatFormat(load_tokenizer(source.id or "", source.revision), layout, source.id)
    task_format = build_task_format(benchmark, chat, token_ids=config.server.token_ids)
    with served_client(config, checkpoint, tuned=tuned, base=base) as (client, _):
        generate_samples(benchmark, choice, client, out, task_format=task_format, seed=config.evaluation.seed)


def generate_samples(
    benchmark: Benchmark,
    choice: BenchmarkChoice,
    client: Client,
    out: str | Path,
    *,
    task_format: TaskFormat,
    seed: int,
) -> None:
    """Request completions for every task and write the samples in the order of the tasks.

    Each line has EvalPlus' fields ``task_id`` and ``solution``, and ``sample`` (number within the task), ``answer``
    (the completion) and ``finish_reason``.

    Args:
        benchmark: a loaded benchmark.
        choice: sampling parameters; the benchmark's definition has the defaults.
        client: client of the model server.
        out: JSON Lines file to write.
        task_format: format of the prompts.
        seed: task i is sampled with seed + i; greedy requests carry no seed.

    Raises:
        InfrastructureError: a task was not completed. Nothing is written, because a score of the other tasks would
            not be comparable. Finished completions are in the completion cache; a rerun requests the rest.
    """
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
                extra=task_format.request_fields(),
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
