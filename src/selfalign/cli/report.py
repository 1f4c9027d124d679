"""``selfalign report``, ``compare``, ``trace`` and ``verify``: inspect finished runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from selfalign.cli import LogLevel


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (report, compare, trace, verify):
        app.command()(command)


def report(
    run: Annotated[Path, typer.Argument(help="Directory of a run, such as results/default.")],
    out: Annotated[Path, typer.Argument(help="HTML file to write.")],
    *,
    config: Annotated[
        Path | None, typer.Option(help="Configuration of the run (YAML), shown on the page.")
    ] = None,
    _log_level: LogLevel = "INFO",
) -> None:
    """Write a self-contained HTML page about a run from its existing files."""
    from selfalign.core.config import read_config
    from selfalign.report.files import files_of_run
    from selfalign.report.page import write_page

    settings = read_config(config)
    write_page(
        out,
        run=run.name,
        files=files_of_run(run),
        configuration=settings.model_dump() if config else {},
        settings=settings.report,
    )


def compare(
    runs: Annotated[list[Path], typer.Argument(help="Directories of finished runs.")],
    *,
    out: Annotated[Path, typer.Option(help="HTML file to write.")],
    _log_level: LogLevel = "INFO",
) -> None:
    """Compare finished runs on one HTML page: configuration differences, scores, funnels."""
    from selfalign.report.compare import write_comparison

    write_comparison(runs, out)


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
