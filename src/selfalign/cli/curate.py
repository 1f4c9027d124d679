"""``selfalign sanitize``, ``select`` and ``decontaminate``: the steps of curation on plain files."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from selfalign.cli import LogLevel


class SanitizingPass(StrEnum):
    """Which of the two passes."""

    raw = "raw"
    smart = "smart"


class Responses(StrEnum):
    """Which responses are taken."""

    passing = "passing"
    failing = "failing"
    random = "random"


class RowField(StrEnum):
    """RowField of a row that is compared."""

    instruction = "instruction"
    response = "response"
    code = "code"


Source = Annotated[Path, typer.Argument(metavar="IN", help="JSON Lines with instruction and response.")]
Out = Annotated[Path, typer.Argument(metavar="OUT", help="JSON Lines of the rows that are kept.")]
Dropped = Annotated[Path | None, typer.Option(help="JSON Lines of the others, each with its reason.")]
Seed = Annotated[int, typer.Option(help="Seed of the step's generator.")]


def sanitize(
    source: Source,
    out: Out,
    *,
    which: Annotated[
        SanitizingPass,
        typer.Option("--pass", help="raw keeps the section tags; smart makes the final text."),
    ],
    dropped: Dropped = None,
    seed: Seed = 0,
    responses: Annotated[
        Responses, typer.Option(help="passing: IN; failing: --failed; random: both (for ablations).")
    ] = Responses.passing,
    failed: Annotated[
        list[Path] | None, typer.Option(help="Rows that `execute --dropped` wrote; may be repeated.")
    ] = None,
    min_tokens: Annotated[int | None, typer.Option(min=1, help="Drop shorter examples.")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Drop longer examples.")] = None,
    tokenizer: Annotated[
        Path | None, typer.Option(help="Directory of the model whose tokenizer counts tokens.")
    ] = None,
    _log_level: LogLevel = "INFO",
) -> None:
    """Check the form of responses and rewrite them (the reference's two passes)."""
    from selfalign.core.config.base import validate_section
    from selfalign.core.config.curation import LengthConfig
    from selfalign.curate.rows import read_candidates
    from selfalign.curate.sanitize import sanitize_file

    if responses is not Responses.passing and not failed:
        raise typer.BadParameter(f"--responses {responses} needs --failed", param_hint="--failed")
    length = validate_section(LengthConfig, {"min_tokens": min_tokens, "max_tokens": max_tokens}, "length")
    rows = read_candidates([source], failed or [], responses.value)
    sanitize_file(which.value, rows, out, dropped, seed=seed, length=length, checkpoint=tokenizer)


def select(
    source: Source,
    out: Out,
    *,
    dropped: Dropped = None,
    diversify_names: Annotated[
        bool, typer.Option("--diversify-names", help="One row per list of function names.")
    ] = False,
    seed: Seed = 0,
    complete_code: Annotated[
        bool, typer.Option("--complete-code", help="Drop code that does not parse or has empty functions.")
    ] = False,
    asserting_tests: Annotated[
        bool, typer.Option("--asserting-tests", help="Drop tests that assert nothing when they run.")
    ] = False,
    nontrivial_tests: Annotated[
        bool,
        typer.Option(
            "--nontrivial-tests", help="Drop tests that pass with the functions emptied (runs a sandbox)."
        ),
    ] = False,
    code_language: Annotated[
        list[str] | None,
        typer.Option(help="Tag that fenced blocks may have; may be repeated. [default: any]"),
    ] = None,
    exact: Annotated[
        list[RowField] | None,
        typer.Option(help="RowField that may not repeat; may be repeated. [default: instruction, response]"),
    ] = None,
    per_instruction: Annotated[int, typer.Option(min=1, help="Responses an instruction may have.")] = 1,
    near: Annotated[
        list[RowField] | None,
        typer.Option(help="RowField that may not nearly repeat (MinHash); may be repeated."),
    ] = None,
    threshold: Annotated[float, typer.Option(min=0.01, max=1, help="Jaccard similarity of --near.")] = 0.7,
    num_perm: Annotated[int, typer.Option(min=16, help="Hash functions of --near.")] = 250,
    ngram: Annotated[int, typer.Option(min=1, help="Words of a shingle of --near.")] = 5,
    max_rows: Annotated[int | None, typer.Option(min=1, help="Most rows that are kept.")] = None,
    runtime: Annotated[str, typer.Option(help="What isolates the programs of --nontrivial-tests.")] = "auto",
    _log_level: LogLevel = "INFO",
) -> None:
    """Shuffle the rows and drop what repeats an instruction or a response; more filters on request."""
    import tempfile

    from selfalign.core.config.base import validate_section
    from selfalign.core.config.curation import CurationConfig
    from selfalign.core.jsonl import read_jsonl, write_jsonl
    from selfalign.curate.select import select_file
    from selfalign.curate.trivial_tests import nontrivial_tests_file

    settings = validate_section(
        CurationConfig,
        {
            "seed": seed,
            "diversify_names": diversify_names,
            "max_rows": max_rows,
            "quality": {
                "complete_code": complete_code,
                "asserting_tests": asserting_tests,
                "code_languages": code_language or [],
            },
            "duplicates": {
                "exact": [part.value for part in exact or (RowField.instruction, RowField.response)],
                "per_instruction": per_instruction,
                "near": [part.value for part in near or ()],
                "threshold": threshold,
                "num_perm": num_perm,
                "ngram": ngram,
            },
        },
        "curation",
    )
    if not nontrivial_tests:
        select_file(source, out, dropped, settings)
        return
    with tempfile.TemporaryDirectory(prefix="selfalign-") as directory:
        tested, trivial, rest = (Path(directory) / name for name in ("tested", "trivial", "rest"))
        nontrivial_tests_file(source, tested, trivial, runtime=runtime)
        select_file(tested, out, rest, settings)
        if dropped is not None:
            write_jsonl(dropped, (row for path in (trivial, rest) for row in read_jsonl(path)))


def decontaminate(
    source: Source,
    out: Out,
    *,
    against: Annotated[list[str], typer.Option(help="A benchmark, name or name@version; may be repeated.")],
    dropped: Dropped = None,
    ngram: Annotated[int, typer.Option(min=5, help="Words in a row that count as overlap.")] = 13,
    exempt: Annotated[
        list[str] | None,
        typer.Option(help="A text that never counts; may be repeated. [default: six generic one-liners]"),
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Directory of benchmark data files.")] = None,
    _log_level: LogLevel = "INFO",
) -> None:
    """Drop rows in whose instruction, response or code a benchmark's text is found."""
    from selfalign.contamination import find_sources
    from selfalign.core.config.contamination import GENERIC_ONE_LINERS, ContaminationConfig
    from selfalign.curate.decontaminate import decontaminate_file

    settings = ContaminationConfig(
        against=against,
        ngram=ngram,
        exempt=exempt or list(GENERIC_ONE_LINERS),
    )
    decontaminate_file(source, out, dropped, sources=find_sources(against, data), settings=settings)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (sanitize, select, decontaminate):
        app.command()(command)
