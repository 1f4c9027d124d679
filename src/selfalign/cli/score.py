"""``selfalign score``: score benchmark samples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from selfalign.cli import LogLevel

# Number of differing verdicts printed.
MAX_SHOWN = 10


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def score(
        samples: Annotated[
            Path,
            typer.Argument(metavar="SAMPLES", help="JSON Lines: `task_id` with `completion` or `solution`."),
        ],
        out: Annotated[
            Path,
            typer.Argument(metavar="OUT", help="Directory for verdicts.jsonl, timings.jsonl and score.json."),
        ],
        *,
        benchmark: Annotated[str, typer.Option(help="Name of the benchmark: humaneval_plus, mbpp_plus, …")],
        dataset_version: Annotated[
            str | None, typer.Option(help="Version of the data. [default: as the definition]")
        ] = None,
        data: Annotated[
            Path | None, typer.Option(help="Data file or its directory. [default: the installed package]")
        ] = None,
        published: Annotated[
            Path | None, typer.Option(help="Published verdicts to compare with (EvalPlus results file).")
        ] = None,
        ground_truth: Annotated[
            Path | None,
            typer.Option(
                help="Outputs of the reference solutions; computed if absent. [default: user cache]"
            ),
        ] = None,
        window: Annotated[
            tuple[str, str] | None,
            typer.Option(help="First and last publication day of the tasks (ISO dates)."),
        ] = None,
        pass_at: Annotated[
            list[int] | None, typer.Option(min=1, help="Additional k of pass@k; may be repeated.")
        ] = None,
        max_reference_failures: Annotated[
            int, typer.Option(min=0, help="Maximum number of reference solutions that may fail.")
        ] = 0,
        exact_floats: Annotated[
            bool,
            typer.Option(help="Require bit-identical floating-point outputs, as in the published run."),
        ] = False,
        limit: Annotated[
            list[str] | None,
            typer.Option(
                metavar="NAME=VALUE",
                help="Limit of a program, such as memory_mb=8192; see evaluation.limits. May be repeated.",
            ),
        ] = None,
        runtime: Annotated[str, typer.Option(help="Sandbox runtime.")] = "auto",
        image: Annotated[str, typer.Option(help="Container image: reference or .sif file.")] = "",
        environment: Annotated[
            str | None,
            typer.Option(
                help="Packages that programs can import; see `selfalign execute`. [default: as the definition]"
            ),
        ] = None,
        workers: Annotated[
            int | None,
            typer.Option(min=1, help="Number of programs run in parallel. [default: one per core]"),
        ] = None,
        _log_level: LogLevel = "WARNING",
    ) -> None:
        """Score samples in the sandbox.

        Samples that do not compile are counted and reported. With --published, comparison.json lists the tasks whose verdicts
        differ.
        """
        from selfalign.benchmarks import load_benchmark
        from selfalign.core.config.base import validate_section
        from selfalign.core.config.evaluation import EvaluationConfig, ScoringLimits
        from selfalign.core.config.execution import ExecutionConfig
        from selfalign.evaluate.ground_truth import default_truth_path
        from selfalign.evaluate.references import default_references_path
        from selfalign.evaluate.scoring import ScoreFiles, score_samples
        from selfalign.program_environments import ready_environment

        files = ScoreFiles(
            out / "verdicts.jsonl", out / "timings.jsonl", out / "score.json", out / "comparison.json"
        )
        files.remove()
        limits = validate_section(ScoringLimits, _limits(limit or ()), "--limit")
        loaded = load_benchmark(benchmark, dataset_version, data, window=window)
        programs = ready_environment(environment or loaded.definition.environment_in(ExecutionConfig()))
        references = None
        if loaded.definition.has_references and window is None:
            references = default_references_path(loaded, programs.identity)
        scored, comparison = score_samples(
            samples,
            loaded,
            files if published else replace(files, comparison=None),
            ground_truth=ground_truth or default_truth_path(loaded),
            time_limits=EvaluationConfig(),
            references=references,
            max_reference_failures=max_reference_failures,
            published=published,
            exact_floats=exact_floats,
            limits=limits,
            pass_at=pass_at or [1],
            runtime=runtime,
            workers=workers,
            environment=programs,
            image=image,
        )
        for line in (*_score_lines(scored), *_comparison_lines(comparison, files.comparison)):
            typer.echo(line)


def _limits(options: Iterable[str]) -> dict[str, Any]:
    """Return the values of ``--limit``, by name."""
    found: dict[str, Any] = {}
    for option in options:
        name, separator, value = option.partition("=")
        try:
            found[name] = int(value) if value.isdigit() else float(value)
        except ValueError:
            separator = ""
        if not separator:
            raise typer.BadParameter(
                f"expected NAME=VALUE with a number, found '{option}'", param_hint="--limit"
            )
    return found


def _score_lines(score: dict[str, Any]) -> Iterator[str]:
    dataset, harness = score["dataset"], score["harness"]
    yield (
        f"{score['title']} {dataset['version']} (data {dataset['sha256'][:12]}), {score['n']} tasks, "
        f"{score['samples_per_task']} sample(s) each; selfalign {harness['selfalign']}, evalplus {harness['evalplus']}"
    )
    for name, metric in score["metrics"].items():
        low, high = metric["interval"]
        count = f", {metric['correct']} of {score['n']}" if "correct" in metric else ""
        yield f"{name}: {100 * metric['value']:.1f} % (95 %: {100 * low:.1f} to {100 * high:.1f}){count}"
    if failed := score.get("references", {}).get("failed"):
        yield f"{failed} of {score['references']['tasks']} reference solutions fail in this environment"


def _comparison_lines(comparison: dict[str, Any] | None, file: str | Path | None) -> Iterator[str]:
    if comparison is None:
        return
    yield f"published verdicts: {comparison['agreeing']} of {comparison['tasks']} tasks agree"
    differing = comparison["differing"]
    for difference in differing[:MAX_SHOWN]:
        yield (
            f"  {difference['task_id']} ({difference['part']}): published {difference['published']}, "
            f"here {difference['ours']} ({difference['reason']}); {difference['explanation'] or 'unexplained'}"
        )
    if len(differing) > MAX_SHOWN:
        yield f"  and {len(differing) - MAX_SHOWN} more, in {file}"
