"""``selfalign verify``: verify the files of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(verify)


def verify(
    run: Annotated[
        Path, typer.Argument(metavar="RUN_DIR", help="Directory of a run, such as results/default.")
    ],
) -> None:
    """Verify the artifacts of a run against report/provenance.json; exit with status 1 if any differs."""
    from selfalign.provenance import verify_run

    found = verify_run(run)
    for name, problem in found.problems.items():
        typer.echo(f"{name} {problem}")
    typer.echo(
        f"{found.checked} artifacts: "
        + (f"{len(found.problems)} differ" if found.problems else "all as recorded")
    )
    if found.problems:
        raise typer.Exit(1)
