"""``selfalign config`` and ``doctor``: the configuration, and what works on this machine."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the commands."""
    config = typer.Typer(
        no_args_is_help=True, help="Print the default configuration, its JSON Schema or its reference."
    )
    app.add_typer(config, name="config")
    for command in (default, schema, reference):
        config.command()(command)
    app.command()(doctor)


def default() -> None:
    """Print the default configuration with comments (YAML)."""
    from selfalign.core.config.document import default_yaml

    typer.echo(default_yaml(), nl=False)


def schema() -> None:
    """Print the JSON Schema of the configuration."""
    from selfalign.core.config.document import schema_json

    typer.echo(schema_json(), nl=False)


def reference() -> None:
    """Print the reference of all keys (Markdown)."""
    from selfalign.core.config.document import reference_markdown

    typer.echo(reference_markdown(), nl=False)


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
