"""``selfalign trace``: source and processing steps of a row."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from selfalign.cli import LogLevel


def trace(
    row: Annotated[
        str,
        typer.Argument(
            metavar="ROW", help="Number of the row, from 1, or its id INDEX.SAMPLE (such as 17.3)."
        ),
    ],
    where: Annotated[
        Path, typer.Argument(metavar="IN", help="Directory of a run or JSON Lines file of rows.")
    ] = Path("results/default"),
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the row as JSON.")] = False,
    _log_level: LogLevel = "WARNING",
) -> None:
    """Show the source of a row and its processing steps; dropped rows are found by id."""
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
