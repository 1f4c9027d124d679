"""Answers of a model to a benchmark, through the same client, completion cache and servers as the training data."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from selfalign.benchmarks import Benchmark
from selfalign.client import Client, Request
from selfalign.core.chat import inference_prompt
from selfalign.core.config.evaluation import BenchmarkChoice
from selfalign.core.errors import InfrastructureError
from selfalign.core.jsonl import Record, write_jsonl
from selfalign.evaluate.prompts import Render, asker

logger = logging.getLogger(__name__)


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
    """Ask every task and write the samples, in the order of the tasks: EvalPlus' layout, and what was said.

    Args:
        layout: "plain" or "chat".
        render: makes the prompts of the chat layout.
        seed: task i is sampled with seed + i; greedy requests carry none.

    Raises:
        InfrastructureError: a task got no answer; nothing is written, since a score of the others would be another
            figure. What was answered is in the completion cache, and a rerun asks for the rest.
    """
    ask = asker(benchmark, layout, render)
    sampling = benchmark.definition.sampling
    temperature = sampling.temperature if choice.temperature is None else choice.temperature
    n = choice.n or sampling.n

    def requests() -> Iterator[Request]:
        for index, task in enumerate(benchmark.tasks):
            yield Request(
                key=task.id,
                prompt=ask.prompt(task),
                max_tokens=choice.max_new_tokens or sampling.max_new_tokens,
                temperature=temperature,
                n=n,
                seed=seed + index if temperature > 0 else None,
                stop=tuple(ask.layout.stop),
            )

    def rows() -> Iterator[Record]:
        for task, result in zip(benchmark.tasks, client.complete(requests()), strict=True):
            if result.error is not None:
                raise InfrastructureError(
                    f"{benchmark.definition.title}, task {task.id}: no answer from the model server "
                    f"({result.error}); run again to ask for the rest, no score is made of a part"
                )
            for number, each in enumerate(result.choices):
                yield {
                    "task_id": task.id,
                    "sample": number,
                    "solution": ask.solution(task, each.text),
                    "answer": each.text,
                    "finish_reason": each.finish_reason,
                }

    count = write_jsonl(out, rows())
    logger.info("%s: %d answers to %d tasks", benchmark.definition.title, count, len(benchmark.tasks))
