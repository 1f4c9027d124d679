"""``selfalign plan``: what a step of the pipeline will need, before it is paid for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the commands."""
    plan = typer.Typer(no_args_is_help=True, help="Estimate memory and time before a run.")
    app.add_typer(plan, name="plan")

    @plan.callback()
    def _several() -> None: ...

    @plan.command()
    def train(
        model: Annotated[str, typer.Argument(metavar="MODEL", help="Checkpoint directory, or a known name.")],
        *,
        config: Annotated[
            Path | None,
            typer.Option(help="Configuration (YAML) over the default one; its `training` is used."),
        ] = None,
        gpu: Annotated[str, typer.Option(help="Kind of GPU.")] = "a100-80gb",
        gpus: Annotated[int, typer.Option(min=1, help="How many.")] = 1,
        sharded: Annotated[
            bool, typer.Option("--sharded", help="Model in parts over the GPUs (fsdp, zero3), not copied.")
        ] = False,
        rows: Annotated[int, typer.Option(min=1, help="Rows of the data set.")] = 50_000,
        tokens_per_row: Annotated[float, typer.Option(min=1, help="Mean length of a row, in tokens.")] = 450,
        utilisation: Annotated[
            float | None, typer.Option(min=0.01, max=1, help="Share of the GPU's peak that is reached.")
        ] = None,
    ) -> None:
        """Print memory per GPU and time of a training, as JSON: estimates, good to some tens of per cent."""
        from selfalign.core.config import read_config
        from selfalign.core.errors import ConfigError
        from selfalign.train.plan import GPUS, UTILISATION, describe, estimate, read_shape

        if gpu not in GPUS:
            raise ConfigError(f"GPU '{gpu}': expected one of {', '.join(GPUS)}")
        found = estimate(
            read_shape(model),
            read_config(config).training,
            GPUS[gpu],
            gpus=gpus,
            sharded=sharded,
            rows=rows,
            tokens_per_row=tokens_per_row,
            utilisation=utilisation or UTILISATION,
        )
        typer.echo(json.dumps(describe(found, GPUS[gpu]), indent=2))
