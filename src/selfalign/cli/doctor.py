"""``selfalign doctor``: what this machine has, and what will therefore work."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def doctor(
        directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where results will lie.")] = Path(),
        *,
        network: Annotated[bool, typer.Option(help="Ask the package index and the hub.")] = True,
        as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of lines.")] = False,
    ) -> None:
        """Say what this machine has and what will work; exit status 1 if the embedded default cannot be built.

        Looks at cores, memory, disk, GPUs, servers, container engines, every sandbox (by its self-test),
        Slurm, the package index and the model hub. Changes nothing.
        """
        from selfalign.core.errors import ConfigError
        from selfalign.doctor.capabilities import assess
        from selfalign.doctor.facts import examine

        if not directory.is_dir():
            raise ConfigError(f"{directory}: expected a directory that is there")
        facts = examine(directory, network=network)
        verdicts = assess(facts)
        if as_json:
            found = {
                "facts": dataclasses.asdict(facts),
                "verdicts": [dataclasses.asdict(v) for v in verdicts],
            }
            typer.echo(json.dumps(found, indent=2))
        else:
            typer.echo(
                f"Python {facts.python}, {facts.cores} cores ({' '.join(facts.instructions) or 'no AVX2'}), "
                f"{facts.memory_gib:.1f} GiB of memory, {facts.free_disk_gib:.0f} GiB of disk free, {len(facts.gpus)} GPUs"
            )
            for verdict in verdicts:
                typer.echo(f"{'yes' if verdict.works else 'no ':3}  {verdict.what}: {verdict.why}")
        if any(each.needed and not each.works for each in verdicts):
            raise typer.Exit(1)
