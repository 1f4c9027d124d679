"""``selfalign doctor``: check this machine."""

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
        directory: Annotated[Path, typer.Argument(metavar="DIR", help="Directory of results.")] = Path(),
        *,
        network: Annotated[bool, typer.Option(help="Contact the package index and the hub.")] = True,
        as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    ) -> None:
        """Check what will work on this machine; exit with status 1 if the embedded default cannot be built.

        Checks cores, memory, disk, GPUs, model servers, container engines, sandbox runtimes (by their self-test),
        Slurm, the package index and the model hub. Changes nothing.
        """
        from selfalign.core.errors import ConfigError
        from selfalign.doctor.capabilities import assess
        from selfalign.doctor.facts import examine

        if not directory.is_dir():
            raise ConfigError(f"{directory}: expected an existing directory")
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
