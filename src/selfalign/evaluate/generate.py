"""Generate a model's solutions to the tasks of a benchmark, with the client and servers of the training data."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path

from selfalign.benchmarks import Benchmark, Task, load_benchmark
from selfalign.client import Choice, Client, Request, Result
from selfalign.core.chat import ChatFormat, load_tokenizer
from selfalign.core.config import Config
from selfalign.core.config.evaluation import BenchmarkChoice, PromptLayout
from selfalign.core.errors import InfrastructureError
from selfalign.core.jsonl import Record, write_jsonl
from selfalign.evaluate.prompts import TaskFormat, build_task_format
from selfalign.evaluate.repair import read_first_attempts
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
    repaired: tuple[str | Path, str | Path] | None = None,
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
        repaired: samples of this model and the verdicts on them, for a benchmark that repairs samples.

    Raises:
        DataError: the tokenizer is missing, or has no chat template; or the samples to repair are of other tasks.
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
        generate_samples(
            benchmark,
            choice,
            client,
            out,
            task_format=task_format,
            seed=config.evaluation.seed,
            repaired=repaired,
        )


def generate_samples(
    benchmark: Benchmark,
    choice: BenchmarkChoice,
    client: Client,
    out: str | Path,
    *,
    task_format: TaskFormat,
    seed: int,
    repaired: tuple[str | Path, str | Path] | None = None,
) -> None:
    """Request completions for every task and write the samples in the order of the tasks.

    Each line has EvalPlus' fields ``task_id`` and ``solution``, and ``sample`` (number within the task), ``answer``
    (the completion) and ``finish_reason``. With `repaired`, failed samples are requested again, one request each, and the
    others are copied; ``repaired`` tells them apart.

    Args:
        benchmark: a loaded benchmark.
        choice: sampling parameters; the benchmark's definition has the defaults.
        client: client of the model server.
        out: JSON Lines file to write.
        task_format: format of the prompts.
        seed: the n samples of task i (with `repaired`, of failed sample i) are requested with seed + i n; greedy requests
            carry no seed.
        repaired: samples and the verdicts on them, for a benchmark that repairs samples.

    Raises:
        DataError: the samples to repair are of other tasks, or have no verdicts.
        InfrastructureError: a task was not completed. Nothing is written, because a score of the other tasks would
            not be comparable. Finished completions are in the completion cache; a rerun requests the rest.
    """
    sampling = benchmark.definition.sampling
    temperature = sampling.temperature if choice.temperature is None else choice.temperature
    n = choice.n or sampling.n

    def requests(tasks: Iterable[Task]) -> Iterator[Request]:
        for index, task in enumerate(tasks):
            yield Request(
                key=task.id,
                prompt=task_format.prompt(task),
                max_tokens=choice.max_new_tokens or sampling.max_new_tokens,
                temperature=temperature,
                n=n,
                # vLLM gives sample j of a request the seed of the request plus j, so that requests with consecutive seeds
                # would share most of their random numbers.
                seed=seed + index * n if temperature > 0 else None,
                stop=tuple(task_format.layout.stop),
                extra=task_format.request_fields(),
            )

    def answered(tasks: Iterable[Task]) -> Iterator[Result]:
        for result in client.complete(requests(tasks)):
            if result.error is not None:
                raise InfrastructureError(
                    f"{benchmark.definition.title}, task {result.request.key}: no completion from the model server "
                    f"({result.error}); run again to request the missing ones: an incomplete benchmark is not scored"
                )
            yield result

    def row(task: Task, number: int, choice: Choice) -> Record:
        return {
            "task_id": task.id,
            "sample": number,
            "solution": task_format.solution(task, choice.text),
            "answer": choice.text,
            "finish_reason": choice.finish_reason,
        }

    def rows() -> Iterator[Record]:
        for task, result in zip(benchmark.tasks, answered(benchmark.tasks), strict=True):
            for number, each in enumerate(result.choices):
                yield row(task, number, each)

    def repaired_rows(samples: str | Path, verdicts: str | Path) -> Iterator[Record]:
        first = [each for attempts in read_first_attempts(samples, verdicts, benchmark) for each in attempts]
        again = answered(each.as_task() for each in first if not each.passed)
        for each in first:
            if each.passed:
                yield {**each.sample, "repaired": False}
            else:
                (choice,) = next(again).choices
                yield {**row(each.task, each.sample["sample"], choice), "repaired": True}

    count = write_jsonl(out, repaired_rows(*repaired) if repaired else rows())
    logger.info("%s: %d samples for %d tasks", benchmark.definition.title, count, len(benchmark.tasks))
