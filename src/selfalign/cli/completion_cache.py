"""``selfalign completion-cache``: inspect and compact the completion cache."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Directory = Annotated[Path, typer.Argument(metavar="DIR", help="Directory of the completion cache.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    cache = typer.Typer(no_args_is_help=True, help="Inspect and compact the completion cache.")
    app.add_typer(cache, name="completion-cache")

    @cache.command()
    def inspect(
        directory: Directory,
        key: Annotated[
            str | None,
            typer.Option(
                help="Print the entry under this key (`completion_key` in a record's lineage) instead."
            ),
        ] = None,
    ) -> None:
        """Print a summary of the completion cache as JSON, or one of its entries."""
        import json

        from selfalign.completion_cache import maintenance

        found = maintenance.look_up(directory, key) if key else maintenance.inspect(directory).to_json()
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False))

    @cache.command()
    def compact(directory: Directory) -> None:
        """Merge all segments into one, without damaged lines and duplicates. No job may be running."""
        from selfalign.completion_cache import maintenance

        before, after = maintenance.compact(directory)
        typer.echo(f"{before} bytes before, {after} bytes after")
