"""``selfalign prompts``: the prompts of a generation stage, without a server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from selfalign.cli import LogLevel


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def prompts(
        records: Annotated[
            Path, typer.Argument(metavar="IN", help="JSON Lines file of the previous stage's records.")
        ],
        out: Annotated[
            Path, typer.Argument(metavar="OUT", help="JSON Lines file for prompts, one per record.")
        ],
        *,
        mode: Annotated[str, typer.Option(help="Mode of the prompt template: S->C, C->I or I->R.")],
        few_shots: Annotated[Path, typer.Option(help="Few-shot file.")],
        num_few_shots: Annotated[
            int | None, typer.Option(min=0, help="Number of examples per prompt. [default: as the reference]")
        ] = None,
        prompt_template: Annotated[
            str, typer.Option(help="Prompt template: name or file.")
        ] = "starcoder2-instruct",
        selection: Annotated[
            str, typer.Option(help="faithful: draw examples per record; grouped: use fixed permutations.")
        ] = "faithful",
        permutations: Annotated[int, typer.Option(min=1, help="Number of permutations for `grouped`.")] = 4,
        seed: Annotated[int, typer.Option(min=0, help="Base seed; record i uses seed + i.")] = 3407,
        n: Annotated[
            int | None, typer.Option(min=1, help="Samples per request. [default: as the reference]")
        ] = None,
        temperature: Annotated[float, typer.Option(min=0, max=2)] = 0.7,
        max_new_tokens: Annotated[int, typer.Option(min=1)] = 1536,
        _log_level: LogLevel = "WARNING",
    ) -> None:
        """Write the prompt, sampling parameters and request seed of each record, without a server.

        The index of a record is its `index` field or, without one, its position in the file, from 0.
        """
        from selfalign.core.jsonl import write_jsonl
        from selfalign.generate.prompted_records import REFERENCE_SAMPLING, Sampling, read_prompted_records
        from selfalign.generate.prompts import build_prompts

        builder = build_prompts(
            prompt_template,
            few_shots,
            mode,
            num_few_shots,
            seed=seed,
            selection=selection,
            permutations=permutations,
        )
        default = REFERENCE_SAMPLING[builder.layout.stage]
        sampling = Sampling(n or default.n, temperature, max_new_tokens)
        rows = (
            {
                "index": prompted.index,
                "prompt": prompted.prompt.text,
                "request_seed": prompted.prompt.seed,
                "sampling": {
                    "n": sampling.n,
                    "temperature": sampling.temperature,
                    "max_tokens": sampling.max_tokens,
                    "stop": builder.prompt_template.stop,
                },
            }
            for prompted in read_prompted_records(records, builder)
        )
        count = write_jsonl(out, rows)
        typer.echo(f"{count} prompts written to {out}")
