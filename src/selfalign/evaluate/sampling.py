"""The workflow's job that asks a model the tasks of a benchmark."""

from __future__ import annotations

from pathlib import Path

from selfalign.benchmarks import load_benchmark
from selfalign.core.chat import inference_prompt
from selfalign.core.config import Config
from selfalign.core.config.evaluation import BenchmarkChoice
from selfalign.evaluate.generate import generate_samples
from selfalign.evaluate.prompts import own_template
from selfalign.serving.client import served_client


def sample_job(
    config: Config,
    model: str,
    choice: BenchmarkChoice,
    out: str | Path,
    *,
    checkpoint: str | Path | None,
    data: str | Path | None,
) -> None:
    """Write the samples of a model for a benchmark.

    Args:
        config: the configuration with which the model is served and asked.
        model: "base" or "tuned".
        choice: the benchmark, with its sampling.
        out: JSON Lines, see :func:`~selfalign.evaluate.generate.generate_samples`.
        checkpoint: directory of the model; None where a server elsewhere has it.
        data: directory of the benchmark's data; None where an installed package holds them.
    """
    window = (choice.window[0], choice.window[1]) if choice.window else None
    benchmark = load_benchmark(choice.name, choice.version, data, window=window)
    chat = model == "tuned" or config.evaluation.base_layout == "chat"
    # A released model brings its own template; what this run tunes learns the one of selfalign.
    render = inference_prompt
    if chat and model == "base":
        source = config.model
        render = (
            own_template(checkpoint)
            if checkpoint
            else own_template(source.id or source.path or "", source.revision)
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
