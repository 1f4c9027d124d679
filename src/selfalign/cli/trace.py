"""``selfalign trace``: the story of one row."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from selfalign.cli import LogLevel


def trace(
    row: Annotated[
        str,
        typer.Argument(
            metavar="ROW", help="Number of the row from 1, or its id INDEX.SAMPLE (such as 17.3)."
        ),
    ],
    where: Annotated[
        Path, typer.Argument(metavar="IN", help="Directory of a run, or a file of rows (JSON Lines).")
    ] = Path("results/default"),
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole row as JSON instead.")] = False,
    _log_level: LogLevel = "WARNING",
) -> None:
    """Tell where a row comes from and what was done to it; by its id, one that was dropped too."""
    import json
    import textwrap

    from selfalign.curate.trace import describe_row, find_row

    found = find_row(where, row)
    if as_json:
        typer.echo(json.dumps(found.record, indent=2, ensure_ascii=False))
        return
    for heading, text in describe_row(found):
        if not text:
            continue
        if heading:
            typer.secho(heading, bold=True)
        typer.echo(textwrap.indent(text, "  "))


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(trace)
