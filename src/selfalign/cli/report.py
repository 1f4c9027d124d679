"""``selfalign report`` and ``selfalign compare``: pages about runs from their files."""

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
        out: Annotated[Path, typer.Argument(help="The HTML page to write.")],
        *,
        config: Annotated[
            Path | None, typer.Option(help="The run's configuration (YAML), for the page to show.")
        ] = None,
        _log_level: LogLevel = "INFO",
    ) -> None:
        """Write one self-contained HTML page about a run, from the files that are there."""
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
        out: Annotated[Path, typer.Option(help="The HTML page to write.")],
        _log_level: LogLevel = "INFO",
    ) -> None:
        """Put several finished runs on one page: what differs, scores, funnels."""
        from selfalign.report.compare import write_comparison

        write_comparison(runs, out)
