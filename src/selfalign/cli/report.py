"""``selfalign report`` and ``selfalign compare``: HTML pages about runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from selfalign.cli import LogLevel


def register(app: typer.Typer) -> None:
    """Add the commands."""

    @app.command()
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

    @app.command()
    def compare(
        runs: Annotated[list[Path], typer.Argument(help="Directories of finished runs.")],
        *,
        out: Annotated[Path, typer.Option(help="HTML file to write.")],
        _log_level: LogLevel = "INFO",
    ) -> None:
        """Compare finished runs on one HTML page: configuration differences, scores, funnels."""
        from selfalign.report.compare import write_comparison

        write_comparison(runs, out)
