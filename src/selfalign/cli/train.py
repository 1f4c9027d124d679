"""``selfalign train``, ``prefer`` and ``respond``: fine-tune a checkpoint, train it on preferences, and query a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from selfalign.cli import LogLevel
from selfalign.core.errors import ConfigError

MetricsFile = Annotated[
    Path | None, typer.Option(help="JSON Lines file for metrics. [default: OUTDIR.metrics.jsonl]")
]
WorkDirectory = Annotated[
    Path | None,
    typer.Option(help="Directory for checkpoints to resume from, removed at the end. [default: OUTDIR.work]"),
]
Threads = Annotated[int | None, typer.Option(min=1, help="Number of CPU threads. [default: one per core]")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(train)
    app.command()(prefer)
    app.command()(respond)


def train(
    dataset: Annotated[
        Path, typer.Argument(metavar="DATASET", help="JSON Lines file with `instruction` and `response`.")
    ],
    out: Annotated[Path, typer.Argument(metavar="OUTDIR", help="Directory for the tuned checkpoint.")],
    *,
    config: Annotated[
        Path | None,
        typer.Option(
            help="Configuration file (YAML), merged into the default; only `training` and the model are used."
        ),
    ] = None,
    base: Annotated[
        Path | None,
        typer.Option(help="Checkpoint of the base model. [default: the configured model]"),
    ] = None,
    metrics: MetricsFile = None,
    work: WorkDirectory = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="Seed of the row order. [default: as configured]"),
    ] = None,
    threads: Threads = None,
    _log_level: LogLevel = "INFO",
) -> None:
    """Fine-tune a checkpoint on a dataset; after an interruption, resume from the last checkpoint."""
    from selfalign.core.config import read_config
    from selfalign.train.job import TrainingJob
    from selfalign.train.launch import launch

    settings = read_config(config)
    recipe = settings.training if seed is None else settings.training.model_copy(update={"seed": seed})
    made = Path(settings.paths.results) / settings.run / "model" / "base"
    start = base or (Path(settings.model.path) if settings.model.path else made)
    launch(
        TrainingJob(
            config=recipe,
            base=start,
            dataset=dataset,
            out=out,
            metrics=metrics or out.with_name(f"{out.name}.metrics.jsonl"),
            work=work or out.with_name(f"{out.name}.work"),
            title=settings.model.id or start.name,
        ),
        threads=threads,
    )
    typer.echo(f"tuned checkpoint in {out}")


def prefer(
    dataset: Annotated[
        Path,
        typer.Argument(metavar="PAIRS", help="JSON Lines file with `instruction`, `chosen` and `rejected`."),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUTDIR", help="Directory for the trained checkpoint.")],
    *,
    config: Annotated[
        Path | None,
        typer.Option(
            help="Configuration file (YAML), merged into the default; only `training`, `preferences` and the model are used."
        ),
    ] = None,
    base: Annotated[
        Path | None,
        typer.Option(help="Checkpoint of the fine-tuned model. [default: that of the configured run]"),
    ] = None,
    metrics: MetricsFile = None,
    work: WorkDirectory = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="Seed of the order of pairs. [default: as configured]"),
    ] = None,
    threads: Threads = None,
    _log_level: LogLevel = "INFO",
) -> None:
    """Train a fine-tuned checkpoint on preferences (DPO); after an interruption, resume from the last checkpoint."""
    from selfalign.core.config import read_config
    from selfalign.train.prefer import PreferenceJob, launch

    settings = read_config(config)
    recipe = settings.preferences.training(settings.training)
    launch(
        PreferenceJob(
            config=recipe if seed is None else recipe.model_copy(update={"seed": seed}),
            base=base or Path(settings.paths.results) / settings.run / "model" / "tuned",
            dataset=dataset,
            out=out,
            metrics=metrics or out.with_name(f"{out.name}.metrics.jsonl"),
            work=work or out.with_name(f"{out.name}.work"),
            title=settings.model.id or (base.name if base else "the base model"),
            beta=settings.preferences.beta,
        ),
        threads=threads,
    )
    typer.echo(f"checkpoint in {out}")


def respond(
    instruction: Annotated[str, typer.Argument(metavar="INSTRUCTION", help="The instruction.")],
    *,
    model: Annotated[
        str, typer.Option(help="Checkpoint directory or hub id; with --endpoint, the name on the server.")
    ],
    prefix: Annotated[str, typer.Option(help="Beginning of the response.")] = "",
    endpoint: Annotated[
        str | None, typer.Option(help="Base URL of a server with the model, such as http://…/v1.")
    ] = None,
    tokenizer: Annotated[
        str | None,
        typer.Option(help="With --endpoint: checkpoint directory or hub id with the model's tokenizer."),
    ] = None,
    max_new_tokens: Annotated[
        int, typer.Option(min=1, help="Maximum length of the response, in tokens.")
    ] = 1024,
) -> None:
    """Respond to one instruction by greedy decoding up to the end of the response."""
    from selfalign import respond as responses

    if (endpoint is None) != (tokenizer is None):
        raise ConfigError(
            "--endpoint and --tokenizer must be given together: the prompt is sent as token ids"
        )
    if endpoint is not None and tokenizer is not None:
        answer = responses.respond_from(
            endpoint, model, instruction, prefix, max_new_tokens, tokenizer=tokenizer
        )
    else:
        answer = responses.respond(*responses.load(model), instruction, prefix, max_new_tokens)
    typer.echo(answer.rstrip())
