"""``selfalign score``: samples to verdicts and a score."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from selfalign.cli import LogLevel

# Differing verdicts shown on the terminal.
SHOWN = 10


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def score(
        samples: Annotated[
            Path,
            typer.Argument(metavar="SAMPLES", help="JSON Lines: `task_id` with `completion` or `solution`."),
        ],
        out: Annotated[
            Path, typer.Argument(metavar="OUT", help="Directory for verdicts.jsonl and score.json.")
        ],
        *,
        benchmark: Annotated[str, typer.Option(help="Name of the benchmark: humaneval_plus, mbpp_plus, …")],
        dataset_version: Annotated[
            str | None, typer.Option(help="Version of its data. [default: the definition's]")
        ] = None,
        data: Annotated[
            Path | None, typer.Option(help="Data file, or a directory that holds it. [default: a package's]")
        ] = None,
        published: Annotated[
            Path | None, typer.Option(help="Verdicts to compare with, task by task (EvalPlus' results file).")
        ] = None,
        ground_truth: Annotated[
            Path | None,
            typer.Option(
                help="Outputs of the reference solutions; computed if absent. [default: user cache]"
            ),
        ] = None,
        window: Annotated[
            tuple[str, str] | None, typer.Option(help="First and last day of the tasks (ISO).")
        ] = None,
        pass_at: Annotated[list[int] | None, typer.Option(min=1, help="k of pass@k, beside 1.")] = None,
        exact_floats: Annotated[
            bool,
            typer.Option(help="Floating-point outputs must be equal to the bit, as in the published run."),
        ] = False,
        runtime: Annotated[str, typer.Option(help="The sandbox's runtime.")] = "auto",
        workers: Annotated[int | None, typer.Option(min=1, help="[default: all cores]")] = None,
        _log_level: LogLevel = "WARNING",
    ) -> None:
        """Score samples in the sandbox.

        With --published, the differing tasks are listed in comparison.json.
        """
        from selfalign.benchmarks import load_benchmark
        from selfalign.core.config.evaluation import EvaluationConfig
        from selfalign.evaluate.ground_truth import default_truth_path
        from selfalign.evaluate.scoring import ScoreFiles, score_samples

        files = ScoreFiles(
            out / "verdicts.jsonl", out / "timings.jsonl", out / "score.json", out / "comparison.json"
        )
        files.remove()
        loaded = load_benchmark(benchmark, dataset_version, data, window=window)
        scored, comparison = score_samples(
            samples,
            loaded,
            files if published else replace(files, comparison=None),
            ground_truth=ground_truth or default_truth_path(loaded),
            time_limits=EvaluationConfig(),
            published=published,
            exact_floats=exact_floats,
            pass_at=pass_at or [1],
            runtime=runtime,
            workers=workers,
        )
        for line in (*_score_lines(scored), *_comparison_lines(comparison, files.comparison)):
            typer.echo(line)


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


def _comparison_lines(comparison: dict[str, Any] | None, file: str | Path | None) -> Iterator[str]:
    if comparison is None:
        return
    yield f"against the published verdicts: {comparison['agreeing']} of {comparison['tasks']} tasks agree"
    differing = comparison["differing"]
    for difference in differing[:SHOWN]:
        yield (
            f"  {difference['task_id']} ({difference['part']}): published {difference['published']}, "
            f"ours {difference['ours']} ({difference['reason']}); {difference['explanation'] or 'unexplained'}"
        )
    if len(differing) > SHOWN:
        yield f"  and {len(differing) - SHOWN} more, in {file}"
