"""``selfalign config``: print the default configuration, its schema and its reference."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    config = typer.Typer(
        no_args_is_help=True, help="Print the default configuration, its JSON Schema or its reference."
    )
    app.add_typer(config, name="config")

    @config.command()
    def default() -> None:
        """Print the default configuration with comments (YAML)."""
        from selfalign.core.config.document import default_yaml

        typer.echo(default_yaml(), nl=False)

    @config.command()
    def schema() -> None:
        """Print the JSON Schema of the configuration."""
        from selfalign.core.config.document import schema_json

        typer.echo(schema_json(), nl=False)

    @config.command()
    def reference() -> None:
        """Print the reference of all keys (Markdown)."""
        from selfalign.core.config.document import reference_markdown

        typer.echo(reference_markdown(), nl=False)
