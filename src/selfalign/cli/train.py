"""``selfalign train``: the fine-tune on plain files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from selfalign.cli import LogLevel


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def train(
        dataset: Annotated[
            Path, typer.Argument(metavar="DATASET", help="JSON Lines: `instruction` and `response`.")
        ],
        out: Annotated[Path, typer.Argument(metavar="OUTDIR", help="Directory of the tuned checkpoint.")],
        *,
        config: Annotated[
            Path | None,
            typer.Option(help="Configuration (YAML) over the default one; its `training` is used."),
        ] = None,
        base: Annotated[
            Path | None,
            typer.Option(help="Checkpoint to start from. [default: the configured model, as the run has it]"),
        ] = None,
        metrics: Annotated[
            Path | None, typer.Option(help="JSON Lines of metrics. [default: OUTDIR.metrics.jsonl]")
        ] = None,
        work: Annotated[
            Path | None,
            typer.Option(help="Checkpoints to resume from, removed at the end. [default: OUTDIR.work]"),
        ] = None,
        seed: Annotated[
            int | None,
            typer.Option(min=0, help="Seed of the order of the rows. [default: the configured one]"),
        ] = None,
        threads: Annotated[int | None, typer.Option(min=1, help="Processor cores. [default: all]")] = None,
        _log_level: LogLevel = "INFO",
    ) -> None:
        """Fine-tune a checkpoint on a data set; run again after a kill, it goes on from its last checkpoint."""
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
