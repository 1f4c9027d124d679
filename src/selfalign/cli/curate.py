"""``selfalign sanitize``, ``matrix``, ``consensus``, ``mutation``, ``select``, …: the curation steps on plain files."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from selfalign.cli import LogLevel
from selfalign.cli.execute import Environment, Workers


class SanitizingPass(StrEnum):
    """Sanitizing passes."""

    raw = "raw"
    smart = "smart"


class Responses(StrEnum):
    """Responses used, by the result of their tests."""

    passing = "passing"
    failing = "failing"
    random = "random"


class Layout(StrEnum):
    """Prompt layouts of the training."""

    own = "own"
    reference = "reference"


class Scope(StrEnum):
    """Scopes of a program's top-level names."""

    module = "module"
    function = "function"


class RowField(StrEnum):
    """Fields of a row that can be compared."""

    instruction = "instruction"
    response = "response"
    code = "code"


Source = Annotated[Path, typer.Argument(metavar="IN", help="JSON Lines with instruction and response.")]
Out = Annotated[Path, typer.Argument(metavar="OUT", help="JSON Lines file for kept rows.")]
Dropped = Annotated[Path | None, typer.Option(help="JSON Lines file for dropped rows with reasons.")]
Seed = Annotated[int, typer.Option(help="Random seed.")]
Failed = Annotated[
    list[Path] | None, typer.Option(help="Rows that `execute --dropped` wrote; may be repeated.")
]
CompleteCode = Annotated[
    bool, typer.Option("--complete-code", help="Drop code that does not parse or has empty functions.")
]
AssertingTests = Annotated[
    bool, typer.Option("--asserting-tests", help="Drop rows whose tests execute no assertion.")
]
CodeLanguage = Annotated[
    list[str] | None,
    typer.Option(help="Allowed language tag of code blocks; may be repeated. [default: any]"),
]
PromptTemplate = Annotated[
    str, typer.Option(help="Prompt template with the sections of the responses: name or file.")
]
Runtime = Annotated[str, typer.Option(help="Sandbox runtime.")]
Cache = Annotated[Path | None, typer.Option(help="File of cached verdicts, read and extended.")]


def sanitize(
    source: Source,
    out: Out,
    *,
    which: Annotated[
        SanitizingPass,
        typer.Option("--pass", help="raw: keep the section tags; smart: produce the final text."),
    ],
    dropped: Dropped = None,
    seed: Seed = 0,
    responses: Annotated[
        Responses, typer.Option(help="passing: IN; failing: --failed; random: both (for ablations).")
    ] = Responses.passing,
    failed: Failed = None,
    prompt_template: PromptTemplate = "starcoder2-instruct",
    min_tokens: Annotated[int | None, typer.Option(min=1, help="Minimum length of a row, in tokens.")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Maximum length of a row, in tokens.")] = None,
    tokenizer: Annotated[
        Path | None, typer.Option(help="Model directory; its tokenizer counts the tokens.")
    ] = None,
    layout: Annotated[
        Layout, typer.Option(help="Prompt layout of the training, in which tokens are counted.")
    ] = Layout.own,
    _log_level: LogLevel = "INFO",
) -> None:
    """Validate the sections of responses and rewrite them (the two passes of the reference)."""
    from selfalign.core.config.base import validate_section
    from selfalign.core.config.curation import LengthConfig
    from selfalign.core.prompt_template import find_prompt_template, load_prompt_template
    from selfalign.curate.rows import read_candidates
    from selfalign.curate.sanitize import sanitize_file

    if responses is not Responses.passing and not failed:
        raise typer.BadParameter(f"--responses {responses} needs --failed", param_hint="--failed")
    length = validate_section(LengthConfig, {"min_tokens": min_tokens, "max_tokens": max_tokens}, "length")
    rows = read_candidates([source], failed or [], responses.value)
    sections = load_prompt_template(find_prompt_template(prompt_template)).response
    sanitize_file(
        which.value,
        rows,
        out,
        dropped,
        seed=seed,
        response_layout=sections,
        length=length,
        checkpoint=tokenizer,
        layout=layout.value,
    )


def select(
    source: Source,
    out: Out,
    *,
    dropped: Dropped = None,
    diversify_names: Annotated[
        bool, typer.Option("--diversify-names", help="Keep one row per list of function names.")
    ] = False,
    seed: Seed = 0,
    complete_code: CompleteCode = False,
    asserting_tests: AssertingTests = False,
    nontrivial_tests: Annotated[
        bool,
        typer.Option(
            "--nontrivial-tests",
            help="Drop rows whose tests pass with empty function bodies (runs the sandbox).",
        ),
    ] = False,
    code_language: CodeLanguage = None,
    exact: Annotated[
        list[RowField] | None,
        typer.Option(help="Field to deduplicate exactly; may be repeated. [default: instruction, response]"),
    ] = None,
    per_instruction: Annotated[
        int, typer.Option(min=1, help="Maximum number of responses per instruction.")
    ] = 1,
    near: Annotated[
        list[RowField] | None,
        typer.Option(help="Field to near-deduplicate (MinHash); may be repeated."),
    ] = None,
    threshold: Annotated[
        float, typer.Option(min=0.01, max=1, help="Jaccard similarity threshold of --near.")
    ] = 0.7,
    num_perm: Annotated[int, typer.Option(min=16, help="Number of hash functions of --near.")] = 250,
    ngram: Annotated[int, typer.Option(min=1, help="Shingle length of --near, in words.")] = 5,
    max_rows: Annotated[int | None, typer.Option(min=1, help="Maximum number of rows.")] = None,
    runtime: Annotated[str, typer.Option(help="Sandbox runtime of --nontrivial-tests.")] = "auto",
    _log_level: LogLevel = "INFO",
) -> None:
    """Shuffle rows, drop duplicate instructions and responses, and apply optional filters."""
    import tempfile

    from selfalign.core.config.base import validate_section
    from selfalign.core.config.curation import CurationConfig
    from selfalign.core.jsonl import read_jsonl, write_jsonl
    from selfalign.curate.mutation import nontrivial_tests_file
    from selfalign.curate.select import select_file

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


def matrix(
    source: Annotated[
        Path, typer.Argument(metavar="IN", help="JSON Lines file of responses, such as `execute` wrote.")
    ],
    out: Annotated[
        Path,
        typer.Argument(
            metavar="OUT", dir_okay=False, help="JSON Lines file with the verdicts of each instruction."
        ),
    ],
    *,
    failed: Failed = None,
    dropped: Annotated[
        Path | None, typer.Option(help="JSON Lines file for responses without usable code, with reasons.")
    ] = None,
    runtime: Runtime = "auto",
    image: Annotated[str, typer.Option(help="Container image: reference or .sif file.")] = "",
    environment: Environment = "numpy",
    scope: Annotated[
        Scope, typer.Option(help="Top-level names: function (as the reference) or module (Python's rule).")
    ] = Scope.module,
    cache: Cache = None,
    workers: Workers = None,
    _log_level: LogLevel = "INFO",
) -> None:
    """Run the implementation of every response with the tests of every response to the same instruction.

    Rows need the index of their seed (`index`). `selfalign consensus` keeps one response of each instruction by the result.
    """
    from selfalign.curate.matrix import matrix_file
    from selfalign.program_environments import ready_environment

    matrix_file(
        [source],
        failed or [],
        out,
        dropped,
        runtime=runtime,
        image=image,
        environment=ready_environment(environment),
        workers=workers,
        scope=scope.value,
        cache=cache,
    )


def consensus(
    source: Annotated[Path, typer.Argument(metavar="IN", help="JSON Lines file of rows, by index.")],
    out: Out,
    *,
    matrices: Annotated[
        list[Path],
        typer.Option(
            "--matrix", help="File that `matrix` wrote; may be repeated, in the order of the index."
        ),
    ],
    dropped: Dropped = None,
    complete_code: CompleteCode = False,
    asserting_tests: AssertingTests = False,
    code_language: CodeLanguage = None,
    _log_level: LogLevel = "INFO",
) -> None:
    """Keep the response to each instruction that agrees most with the others, by the tests that each passes."""
    from selfalign.core.config.curation import QualityConfig
    from selfalign.curate.consensus import consensus_file

    quality = QualityConfig(
        complete_code=complete_code, asserting_tests=asserting_tests, code_languages=code_language or []
    )
    consensus_file(source, matrices, out, dropped, quality=quality)


def preferences(
    source: Annotated[Path, typer.Argument(metavar="IN", help="JSON Lines file of the rows for training.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="JSON Lines file for pairs.")],
    *,
    matrices: Annotated[
        list[Path], typer.Option("--matrix", help="File that `matrix` wrote; may be repeated.")
    ],
    responses: Annotated[
        list[Path],
        typer.Option(
            help="Responses that `execute` kept or dropped, the input of `matrix`; may be repeated."
        ),
    ],
    dropped: Annotated[
        Path | None, typer.Option(help="JSON Lines file for instructions without a pair, with reasons.")
    ] = None,
    max_pairs: Annotated[int, typer.Option(min=1, help="Maximum number of pairs per instruction.")] = 1,
    prompt_template: PromptTemplate = "starcoder2-instruct",
    complete_code: CompleteCode = False,
    asserting_tests: AssertingTests = False,
    code_language: CodeLanguage = None,
    against: Annotated[
        list[str] | None,
        typer.Option(
            help="Benchmark (name or name@version) whose text rejected responses must not contain; may be repeated."
        ),
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Directory of benchmark data files.")] = None,
    _log_level: LogLevel = "INFO",
) -> None:
    """Make pairs of a chosen and a rejected response to one instruction, by the tests that each passes.

    Rows and responses need the index of their seed (`index`). `selfalign prefer` trains a model on the pairs.
    """
    from selfalign.contamination import find_sources
    from selfalign.core.config.curation import QualityConfig
    from selfalign.core.prompt_template import find_prompt_template, load_prompt_template
    from selfalign.curate.preferences import preferences_file

    preferences_file(
        source,
        matrices,
        responses,
        out,
        dropped,
        max_pairs=max_pairs,
        quality=QualityConfig(
            complete_code=complete_code, asserting_tests=asserting_tests, code_languages=code_language or []
        ),
        response_layout=load_prompt_template(find_prompt_template(prompt_template)).response,
        sources=find_sources(against or [], data),
    )


def mutation(
    source: Source,
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="JSON Lines file for kept rows, with `test_kill_rate`.")
    ],
    *,
    dropped: Dropped = None,
    min_kill_rate: Annotated[
        float, typer.Option(min=0, max=1, help="Drop rows whose tests reject a smaller share of the mutants.")
    ] = 0.0,
    max_mutants: Annotated[
        int, typer.Option(min=1, max=1000, help="Maximum number of mutants per row besides the stub.")
    ] = 10,
    nontrivial_tests: Annotated[
        bool,
        typer.Option("--nontrivial-tests", help="Drop rows whose tests pass with empty function bodies."),
    ] = False,
    runtime: Runtime = "auto",
    image: Annotated[str, typer.Option(help="Container image: reference or .sif file.")] = "",
    environment: Environment = "numpy",
    cache: Cache = None,
    workers: Workers = None,
    _log_level: LogLevel = "INFO",
) -> None:
    """Run the tests of every row on changed versions of its code; add the share that they reject."""
    from selfalign.core.config.curation import MutationConfig
    from selfalign.curate.mutation import nontrivial_tests_file
    from selfalign.program_environments import ready_environment

    nontrivial_tests_file(
        source,
        out,
        dropped,
        drop_trivial=nontrivial_tests,
        mutation=MutationConfig(min_kill_rate=min_kill_rate, max_mutants=max_mutants),
        runtime=runtime,
        image=image,
        environment=ready_environment(environment),
        workers=workers,
        cache=cache,
    )


def decontaminate(
    source: Source,
    out: Out,
    *,
    against: Annotated[list[str], typer.Option(help="Benchmark (name or name@version); may be repeated.")],
    dropped: Dropped = None,
    ngram: Annotated[
        int, typer.Option(min=5, help="Number of consecutive words that count as overlap.")
    ] = 13,
    exempt: Annotated[
        list[str] | None,
        typer.Option(
            help="Text that does not count as overlap; may be repeated. [default: six generic one-liners]"
        ),
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Directory of benchmark data files.")] = None,
    _log_level: LogLevel = "INFO",
) -> None:
    """Drop rows whose instruction, response or code overlaps with benchmark text."""
    from selfalign.contamination import find_sources
    from selfalign.core.config.contamination import GENERIC_ONE_LINERS, ContaminationConfig
    from selfalign.curate.decontaminate import decontaminate_file

    settings = ContaminationConfig(
        against=against,
        ngram=ngram,
        exempt=exempt or list(GENERIC_ONE_LINERS),
    )
    decontaminate_file(source, out, dropped, sources=find_sources(against, data), settings=settings)


def find_solutions(
    source: Source,
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="JSON Lines file for the functions that solve a task.")
    ],
    *,
    benchmark: Annotated[
        str, typer.Option(help="Name of the benchmark: humaneval, humaneval_plus, mbpp_plus, …")
    ],
    dataset_version: Annotated[
        str | None, typer.Option(help="Version of the data. [default: as the definition]")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Data file or its directory. [default: the installed package]")
    ] = None,
    kept: Annotated[
        Path | None, typer.Option(help="JSON Lines file for the rows that solve no task.")
    ] = None,
    dropped: Annotated[
        Path | None, typer.Option(help="JSON Lines file for the rows that solve a task, with reasons.")
    ] = None,
    counts: Annotated[
        Path | None, typer.Option(help="JSON file for the numbers of functions and the solved tasks.")
    ] = None,
    ground_truth: Annotated[
        Path | None,
        typer.Option(help="Outputs of the reference solutions; computed if absent. [default: user cache]"),
    ] = None,
    max_reference_failures: Annotated[
        int, typer.Option(min=0, help="Maximum number of reference solutions that may fail.")
    ] = 0,
    cache: Annotated[
        Path | None, typer.Option(help="File of the verdict cache, so that no function is run twice.")
    ] = None,
    runtime: Annotated[str, typer.Option(help="Sandbox runtime.")] = "auto",
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Number of programs run in parallel. [default: one per core]"),
    ] = None,
    _log_level: LogLevel = "INFO",
) -> None:
    """Find functions of rows that solve tasks of HumanEval(+), MBPP(+) or EvoEval, by running them in the sandbox.

    Finds renamed and paraphrased solutions, which `selfalign decontaminate` misses.
    """
    from selfalign.benchmarks import load_benchmark
    from selfalign.core.config.evaluation import EvaluationConfig
    from selfalign.core.config.execution import ExecutionConfig
    from selfalign.curate.decontaminate import decontaminate_by_execution_file
    from selfalign.evaluate.ground_truth import default_truth_path
    from selfalign.evaluate.references import default_references_path
    from selfalign.evaluate.solutions import SearchedBenchmark, check_searchable, find_solutions_file
    from selfalign.program_environments import ready_environment

    if dropped is not None and kept is None:
        raise typer.BadParameter("--dropped needs --kept", param_hint="--dropped")
    loaded = load_benchmark(benchmark, dataset_version, data)
    check_searchable(loaded)
    programs = ready_environment(loaded.definition.environment_in(ExecutionConfig()))
    searched = SearchedBenchmark(
        loaded,
        ground_truth=ground_truth or default_truth_path(loaded),
        time_limits=EvaluationConfig(),
        environment=programs,
        references=default_references_path(loaded, programs.identity),
        max_reference_failures=max_reference_failures,
    )
    found = find_solutions_file(source, searched, out, counts, runtime=runtime, workers=workers, cache=cache)
    if kept is not None:
        decontaminate_by_execution_file(source, [out], kept, dropped, drop=True)
    typer.echo(
        f"{loaded.title}: {len(found['solved_tasks'])} of {found['tasks']} tasks are solved by "
        f"{found['solving_rows']} of {found['rows']} rows"
    )


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (
        sanitize,
        matrix,
        consensus,
        preferences,
        mutation,
        select,
        decontaminate,
        find_solutions,
    ):
        app.command()(command)
