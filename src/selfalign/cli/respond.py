"""``selfalign respond``: respond to one instruction."""

from __future__ import annotations

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def respond(
        instruction: Annotated[str, typer.Argument(metavar="INSTRUCTION", help="The instruction.")],
        *,
        model: Annotated[
            str, typer.Option(help="Checkpoint directory or hub id; with --endpoint, the name on the server.")
        ],
        prefix: Annotated[str, typer.Option(help="Beginning of the response.")] = "",
        endpoint: Annotated[
            str | None, typer.Option(help="Base URL of a server with the model, such as http://…/v1.")
        ] = None,
        max_new_tokens: Annotated[
            int, typer.Option(min=1, help="Maximum length of the response, in tokens.")
        ] = 1024,
    ) -> None:
        """Respond to one instruction by greedy decoding up to the end of the response or a ###."""
        from selfalign import respond as responses

        if endpoint is not None:
            answer = responses.respond_from(endpoint, model, instruction, prefix, max_new_tokens)
        else:
            answer = responses.respond(*responses.load(model), instruction, prefix, max_new_tokens)
        typer.echo(answer.rstrip())
