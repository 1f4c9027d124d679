"""``selfalign respond``: one answer to one instruction."""

from __future__ import annotations

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def respond(
        instruction: Annotated[str, typer.Argument(metavar="INSTRUCTION", help="What the model is to do.")],
        *,
        model: Annotated[
            str, typer.Option(help="Checkpoint directory or hub id; with --endpoint, the served name.")
        ],
        prefix: Annotated[str, typer.Option(help="How the answer is made to begin.")] = "",
        endpoint: Annotated[
            str | None, typer.Option(help="Base URL of a server that has the model, such as http://…/v1.")
        ] = None,
        max_new_tokens: Annotated[int, typer.Option(min=1, help="Longest answer, in tokens.")] = 1024,
    ) -> None:
        """Answer one instruction: greedy, up to the end of the answer or a ###."""
        from selfalign import respond as responses

        if endpoint is not None:
            answer = responses.respond_from(endpoint, model, instruction, prefix, max_new_tokens)
        else:
            answer = responses.respond(*responses.load(model), instruction, prefix, max_new_tokens)
        typer.echo(answer.rstrip())
