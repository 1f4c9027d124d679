"""``selfalign generate``: a generation stage on plain files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from selfalign.cli import LogLevel


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def generate(
        records: Annotated[
            Path, typer.Argument(metavar="IN", help="JSON Lines file of the previous stage's records.")
        ],
        out: Annotated[Path, typer.Argument(metavar="OUT", help="JSON Lines file for completed records.")],
        *,
        mode: Annotated[str, typer.Option(help="Mode of the prompt template: S->C, C->I or I->R.")],
        model: Annotated[str, typer.Option(help="Name of the model on the server.")],
        endpoint: Annotated[
            list[str] | None,
            typer.Option(help="Base URL of a server; may be repeated. [default: OPENAI_BASE_URL]"),
        ] = None,
        completion_cache: Annotated[
            Path | None,
            typer.Option(help="Directory of the completion cache. [default: completions are not cached]"),
        ] = None,
        identity: Annotated[
            str | None, typer.Option(help="Identity of the model (hash or id@revision). [default: its name]")
        ] = None,
        few_shots: Annotated[Path, typer.Option(help="Few-shot file.")] = Path("prompts/few_shots.txt"),
        num_few_shots: Annotated[
            int | None, typer.Option(min=0, help="Number of examples per prompt. [default: as the reference]")
        ] = None,
        example: Annotated[
            list[int] | None,
            typer.Option(help="Number of an example to use; may be repeated. [default: all]"),
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
        frequency_penalty: Annotated[float, typer.Option(min=-2, max=2)] = 0.0,
        max_in_flight: Annotated[
            int, typer.Option(min=1, help="Maximum number of concurrent requests.")
        ] = 32,
        timeout: Annotated[float, typer.Option(help="Request timeout, in seconds.")] = 600.0,
        max_retries: Annotated[int, typer.Option(min=0, help="Maximum number of retries per request.")] = 8,
        retry_after_longest: Annotated[
            float, typer.Option(min=0, help="Longest wait a server may ask for by Retry-After, in seconds.")
        ] = 60.0,
        max_failed_share: Annotated[
            float,
            typer.Option(
                min=0, max=1, help="Fail if more than this share of the requests failed, refused ones aside."
            ),
        ] = 0.01,
        dropped: Annotated[
            Path | None, typer.Option(help="JSON Lines file for failed records with reasons.")
        ] = None,
        counts: Annotated[Path | None, typer.Option(help="JSON file for the counts of the step.")] = None,
        metrics: Annotated[
            Path | None,
            typer.Option(help="JSON file for metrics: requests, tokens, throughput, latencies, retries."),
        ] = None,
        _log_level: LogLevel = "INFO",
    ) -> None:
        """Generate concepts, instructions or responses for records."""
        from selfalign.client import default_endpoints, open_client
        from selfalign.core.config.serving import ClientConfig
        from selfalign.core.jsonl import write_json
        from selfalign.generate.prompted_records import REFERENCE_SAMPLING, Sampling
        from selfalign.generate.prompts import build_prompts
        from selfalign.generate.stage import build_stage, run_stage

        builder = build_prompts(
            prompt_template,
            few_shots,
            mode,
            num_few_shots,
            seed=seed,
            selection=selection,
            permutations=permutations,
            numbers=example,
        )
        default = REFERENCE_SAMPLING[builder.layout.stage]
        what = identity or model
        stage = build_stage(
            builder,
            Sampling(n or default.n, temperature, max_new_tokens, frequency_penalty),
            prompt_template,
            few_shots,
            what,
        )
        settings = ClientConfig(
            max_in_flight=max_in_flight,
            max_retries=max_retries,
            timeout_s=timeout,
            retry_after_longest_s=retry_after_longest,
            max_failed_share=max_failed_share,
        )
        urls = endpoint or default_endpoints()
        with open_client(urls, model, identity=what, cache=completion_cache, settings=settings) as client:
            done = run_stage(stage, client, records, out, dropped, max_failed_share=max_failed_share)
            if metrics is not None:
                write_json(metrics, client.metrics.to_json())
        if counts is not None:
            write_json(counts, done.to_json())
        typer.echo(f"{done.records_out} of {done.records_in} records completed, written to {out}")
