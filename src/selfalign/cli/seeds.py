"""``selfalign seeds``: the steps of the seeds stage on plain files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from selfalign.cli import CacheDirectory, Endpoint, Identity, LogLevel
from selfalign.core.filtering import StepCounts

Input = Annotated[Path, typer.Argument(metavar="IN", help="JSON Lines file with a `seed` per row.")]
Output = Annotated[Path, typer.Argument(metavar="OUT", help="JSON Lines file to write.")]
Dropped = Annotated[Path | None, typer.Option(help="JSON Lines file for dropped rows with reasons.")]
Workers = Annotated[
    int | None,
    typer.Option(min=1, help="Number of worker processes. [default: one per core]", show_default=False),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    seeds = typer.Typer(
        no_args_is_help=True, help="Extract seed functions from source files and filter them."
    )
    app.add_typer(seeds, name="seeds")
    seeds.command()(extract)
    seeds.command(name="filter")(filter_seeds)
    seeds.command()(dedup)
    seeds.command()(check)
    seeds.command()(judge)
    seeds.command()(fetch)


def extract(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Directory of Python files.")],
    out: Output,
    *,
    lost: Annotated[Path | None, typer.Option(help="JSON Lines file for unreadable source files.")] = None,
    workers: Workers = None,
    _log_level: LogLevel = "WARNING",
) -> None:
    """Extract documented top-level functions as rows with `seed`, `path`, `line` and `sha1`."""
    from selfalign.seeds.collect import extract_directory

    counts = extract_directory(directory, out, lost, workers=workers or os.cpu_count() or 1)
    _print_counts(counts, "functions", out)


def filter_seeds(
    rows: Input,
    out: Output,
    *,
    faithful: Annotated[
        bool, typer.Option("--faithful", help="Use the substring tests of the reference.")
    ] = False,
    max_lines: Annotated[int, typer.Option(min=1, help="Maximum length of a seed, in lines.")] = 150,
    max_characters: Annotated[
        int | None, typer.Option(min=1, help="Maximum length of a seed, in characters.")
    ] = None,
    min_docstring: Annotated[
        int, typer.Option(min=0, help="Minimum length of a docstring, in characters.")
    ] = 0,
    against: Annotated[
        list[str] | None,
        typer.Option(
            help="Drop seeds that overlap with this benchmark (name or name@version); may be repeated."
        ),
    ] = None,
    ngram: Annotated[
        int, typer.Option(min=5, help="Number of consecutive words that count as overlap.")
    ] = 13,
    data: Annotated[Path | None, typer.Option(help="Directory of benchmark data files.")] = None,
    dropped: Dropped = None,
    _log_level: LogLevel = "WARNING",
) -> None:
    """Apply the text filters in the order of the reference."""
    from selfalign.contamination import find_sources
    from selfalign.core.config.seeds import FiltersConfig
    from selfalign.seeds.collect import decontamination_filter, filter_file

    settings = FiltersConfig(
        mode="faithful" if faithful else "default",
        max_lines=max_lines,
        max_characters=max_characters,
        min_docstring_characters=min_docstring,
    )
    decontaminate = decontamination_filter(find_sources(against or [], data), ngram)
    counts = filter_file(rows, out, settings, dropped, decontaminate)
    _print_counts(counts, "seeds", out)


def dedup(
    rows: Input,
    out: Output,
    *,
    threshold: Annotated[float, typer.Option(min=0.01, max=1, help="Jaccard similarity threshold.")] = 0.5,
    ngram: Annotated[int, typer.Option(min=1, help="Shingle length, in words.")] = 5,
    num_perm: Annotated[int, typer.Option(min=16, help="Number of hash functions.")] = 256,
    operators: Annotated[bool, typer.Option(help="Compare operators too, not only words.")] = True,
    exact_only: Annotated[bool, typer.Option("--exact-only", help="Drop exact duplicates only.")] = False,
    dropped: Dropped = None,
    _log_level: LogLevel = "WARNING",
) -> None:
    """Drop duplicates and near-duplicates, keeping the first of each group."""
    from selfalign.core.config.seeds import NearDuplicatesConfig
    from selfalign.seeds.duplicates import deduplicate_units

    settings = NearDuplicatesConfig(
        enabled=not exact_only, threshold=threshold, ngram=ngram, num_perm=num_perm, operators=operators
    )
    _print_step_counts(deduplicate_units([rows], [out], dropped, settings), out)


def check(
    rows: Input,
    out: Output,
    *,
    imports: Annotated[bool, typer.Option(help="Insert missing imports before a function.")] = True,
    types: Annotated[bool, typer.Option(help="Drop functions with type errors.")] = True,
    faithful: Annotated[
        bool, typer.Option("--faithful", help="As the reference: let autoimport rewrite the function.")
    ] = False,
    strictness: Annotated[str, typer.Option(help="basic, standard or strict.")] = "standard",
    workers: Workers = None,
    dropped: Dropped = None,
    _log_level: LogLevel = "WARNING",
) -> None:
    """Infer imports and check types, with autoimport and basedpyright."""
    from selfalign.core.config.base import validate_section
    from selfalign.core.config.seeds import FiltersConfig, ImportsConfig, TypesConfig
    from selfalign.seeds.check import check_file

    steps = check_file(
        rows,
        out,
        dropped,
        filters=FiltersConfig(
            mode="faithful" if faithful else "default",
            max_lines=150,
            max_characters=None,
            min_docstring_characters=0,
        ),
        imports=ImportsConfig(enabled=imports),
        types=validate_section(TypesConfig, {"enabled": types, "strictness": strictness}, "types"),
        workers=workers or os.cpu_count() or 1,
    )
    _print_step_counts(steps, out)


def judge(
    rows: Input,
    out: Output,
    *,
    model: Annotated[str, typer.Option(help="Name of the model on the server.")],
    endpoint: Endpoint = None,
    completion_cache: CacheDirectory = None,
    identity: Identity = None,
    prompt: Annotated[Path, typer.Option(help="Prompt file with question and examples.")] = Path(
        "prompts/judge.yaml"
    ),
    by: Annotated[str, typer.Option(help="Decide by answers or logprobs.")] = "answers",
    dropped: Dropped = None,
    _log_level: LogLevel = "WARNING",
) -> None:
    """Keep seeds whose docstring, as judged by a model, suffices to reimplement the function."""
    from selfalign.client import default_endpoints, open_client
    from selfalign.core.config.base import validate_section
    from selfalign.core.config.seeds import JudgeConfig
    from selfalign.core.config.serving import ClientConfig
    from selfalign.seeds.judge import judge_file

    settings = validate_section(JudgeConfig, {"prompt": str(prompt), "by": by}, "judge")
    client_settings = ClientConfig()
    identity = identity or model
    urls = endpoint or default_endpoints()
    with open_client(
        urls, model, identity=identity, cache=completion_cache, settings=client_settings
    ) as client:
        done = judge_file(
            rows,
            client,
            settings,
            identity,
            out=out,
            dropped=dropped,
            max_failed_share=client_settings.max_failed_share,
        )
    _print_counts(done, "seeds", out)


def fetch(
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="Dataset id on the hub, or a directory.")],
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="Data file of the dataset (Parquet or JSON Lines).")
    ],
    out: Output,
    *,
    revision: Annotated[
        str | None, typer.Option(help="Commit hash, branch or tag. [default: main; none for a directory]")
    ] = None,
    rename: Annotated[
        list[str] | None, typer.Option(help="COLUMN=FIELD, such as content=seed; may be repeated.")
    ] = None,
    start: Annotated[int, typer.Option(min=0, help="Index of the first row.")] = 0,
    _log_level: LogLevel = "WARNING",
) -> None:
    """Convert a published intermediate dataset to records, to start from any stage.

    The rows keep their fields (seed, concepts, instruction, response) and get `index` and `lineage`, so the
    command of the next stage accepts them unchanged. Gated datasets need HF_TOKEN.
    """
    from selfalign.core.jsonl import write_jsonl
    from selfalign.hub import resolve_revision
    from selfalign.seeds.start import read_stage

    pairs = [each.partition("=") for each in rename or []]
    if bad := [left for left, equals, right in pairs if not (left and equals and right)]:
        raise typer.BadParameter(f"expected COLUMN=FIELD, found {bad[0]!r}", param_hint="--rename")
    names = {left: right for left, _, right in pairs}
    if not Path(dataset).is_dir():
        revision = resolve_revision("dataset", dataset, revision or "main").commit
        typer.echo(f"{dataset}: commit {revision}", err=True)
    count = write_jsonl(out, read_stage(dataset, revision, file, names, start))
    typer.echo(f"{count} records written to {out}")


def _print_step_counts(steps: list[StepCounts], out: Path) -> None:
    for step in steps:
        _print_counts(step, f"seeds after {step.step}", out)


def _print_counts(counts: StepCounts, what: str, out: Path) -> None:
    reasons = ", ".join(f"{name} {count}" for name, count in counts.to_json()["dropped"].items())
    more = "".join(f"; {name} {value}" for name, value in counts.extra.items())
    typer.echo(
        f"{counts.records_out} {what} written to {out}, {sum(counts.dropped.values())} dropped"
        f"{f' ({reasons})' if reasons else ''}{more}"
    )
