"""``selfalign prompts``, ``generate`` and ``completion-cache``: the generation stages on plain files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from selfalign.cli import CacheDirectory, Endpoint, Identity, LogLevel

Records = Annotated[
    Path, typer.Argument(metavar="IN", help="JSON Lines file of the previous stage's records.")
]
Mode = Annotated[str, typer.Option(help="Mode of the prompt template: S->C, C->I or I->R.")]
NumFewShots = Annotated[
    int | None, typer.Option(min=0, help="Number of examples per prompt. [default: as the reference]")
]
Template = Annotated[str, typer.Option(help="Prompt template: name or path of a YAML file.")]
Selection = Annotated[
    str, typer.Option(help="faithful: draw examples per record; grouped: use fixed permutations.")
]
Permutations = Annotated[int, typer.Option(min=1, help="Number of permutations for `grouped`.")]
Seed = Annotated[int, typer.Option(min=0, help="Base seed; record i uses seed + i.")]
Samples = Annotated[int | None, typer.Option(min=1, help="Samples per request. [default: as the reference]")]
Temperature = Annotated[float, typer.Option(min=0, max=2, help="Sampling temperature; 0: greedy.")]
MaxNewTokens = Annotated[int, typer.Option(min=1, help="Maximum length of a completion, in tokens.")]
Directory = Annotated[Path, typer.Argument(metavar="DIR", help="Directory of the completion cache.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(prompts)
    app.command()(generate)
    cache = typer.Typer(no_args_is_help=True, help="Inspect and compact the completion cache.")
    app.add_typer(cache, name="completion-cache")
    cache.command()(inspect)
    cache.command()(compact)


def prompts(
    records: Records,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="JSON Lines file for prompts, one per record.")],
    *,
    mode: Mode,
    few_shots: Annotated[Path, typer.Option(help="Few-shot file.")],
    num_few_shots: NumFewShots = None,
    prompt_template: Template = "starcoder2-instruct",
    selection: Selection = "faithful",
    permutations: Permutations = 4,
    seed: Seed = 3407,
    n: Samples = None,
    temperature: Temperature = 0.7,
    max_new_tokens: MaxNewTokens = 1536,
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


def generate(
    records: Records,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="JSON Lines file for completed records.")],
    *,
    mode: Mode,
    model: Annotated[str, typer.Option(help="Name of the model on the server.")],
    endpoint: Endpoint = None,
    completion_cache: CacheDirectory = None,
    identity: Identity = None,
    few_shots: Annotated[Path, typer.Option(help="Few-shot file.")] = Path("prompts/few_shots.txt"),
    num_few_shots: NumFewShots = None,
    example: Annotated[
        list[int] | None,
        typer.Option(help="Number of an example to use; may be repeated. [default: all]"),
    ] = None,
    prompt_template: Template = "starcoder2-instruct",
    selection: Selection = "faithful",
    permutations: Permutations = 4,
    seed: Seed = 3407,
    n: Samples = None,
    temperature: Temperature = 0.7,
    max_new_tokens: MaxNewTokens = 1536,
    frequency_penalty: Annotated[
        float, typer.Option(min=-2, max=2, help="Frequency penalty, as in the OpenAI API.")
    ] = 0.0,
    max_in_flight: Annotated[int, typer.Option(min=1, help="Maximum number of concurrent requests.")] = 32,
    timeout: Annotated[float, typer.Option(help="Request timeout, in seconds.")] = 600.0,
    max_retries: Annotated[int, typer.Option(min=0, help="Maximum number of retries per request.")] = 8,
    retry_after_longest: Annotated[
        float, typer.Option(min=0, help="Maximum wait requested by a server (Retry-After), in seconds.")
    ] = 60.0,
    max_failed_share: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            help="Fail if more than this share of the requests failed, not counting rejected ones.",
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
    identity = identity or model
    stage = build_stage(
        builder,
        Sampling(n or default.n, temperature, max_new_tokens, frequency_penalty),
        prompt_template,
        few_shots,
        identity,
    )
    settings = ClientConfig(
        max_in_flight=max_in_flight,
        max_retries=max_retries,
        timeout_s=timeout,
        retry_after_longest_s=retry_after_longest,
        max_failed_share=max_failed_share,
    )
    urls = endpoint or default_endpoints()
    with open_client(urls, model, identity=identity, cache=completion_cache, settings=settings) as client:
        done = run_stage(stage, client, records, out, dropped, max_failed_share=max_failed_share)
        if metrics is not None:
            write_json(metrics, client.metrics.to_json())
    if counts is not None:
        write_json(counts, done.to_json())
    typer.echo(f"{done.records_out} of {done.records_in} records completed, written to {out}")


def inspect(
    directory: Directory,
    key: Annotated[
        str | None,
        typer.Option(help="Print the entry under this key (`completion_key` in a record's lineage) instead."),
    ] = None,
) -> None:
    """Print a summary of the completion cache as JSON, or one of its entries."""
    import json

    from selfalign.completion_cache import maintenance

    found = maintenance.look_up(directory, key) if key else maintenance.inspect(directory).to_json()
    typer.echo(json.dumps(found, indent=2, ensure_ascii=False))


def compact(directory: Directory) -> None:
    """Merge all segments into one, without damaged lines and duplicates. No job may be running."""
    from selfalign.completion_cache import maintenance

    before, after = maintenance.compact(directory)
    typer.echo(f"{before} bytes before, {after} bytes after")
