"""``selfalign execute``: the execution filter on plain files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from selfalign.cli import LogLevel


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def execute(
        source: Annotated[Path, typer.Argument(metavar="IN", help="JSON Lines file of responses.")],
        out: Annotated[Path, typer.Argument(metavar="OUT", help="JSON Lines file for passing responses.")],
        *,
        runtime: Annotated[
            str,
            typer.Option(help="Sandbox runtime: auto, gvisor, docker, podman, apptainer, bubblewrap, none."),
        ] = "auto",
        image: Annotated[str, typer.Option(help="Container image: reference or .sif file.")] = "",
        faithful: Annotated[
            bool, typer.Option("--faithful", help="As the reference: exit status 0 is a pass.")
        ] = False,
        scope: Annotated[
            str, typer.Option(help="Top-level names: function (as the reference) or module (Python's rule).")
        ] = "function",
        cache: Annotated[
            Path | None, typer.Option(help="File of cached verdicts, read and extended.")
        ] = None,
        verdicts: Annotated[Path | None, typer.Option(help="JSON Lines file for all verdicts.")] = None,
        dropped: Annotated[
            Path | None, typer.Option(help="JSON Lines file for rows that do not pass.")
        ] = None,
        workers: Annotated[
            int | None,
            typer.Option(min=1, help="Number of programs run in parallel. [default: one per core]"),
        ] = None,
        _log_level: LogLevel = "INFO",
    ) -> None:
        """Run every response with its own tests in the sandbox; keep those that pass."""
        from selfalign.execute.filter import execute_file

        execute_file(
            source,
            out,
            verdicts=verdicts,
            dropped=dropped,
            runtime=runtime,
            image=image,
            cache=cache,
            workers=workers,
            faithful=faithful,
            scope=scope,
        )
