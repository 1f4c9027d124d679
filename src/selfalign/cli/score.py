"""``selfalign score``: samples to verdicts and a score."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from selfalign.cli import LogLevel


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
        from selfalign.evaluate.command import ScoreOptions, score_samples

        options = ScoreOptions(
            benchmark=benchmark,
            version=dataset_version,
            data=data,
            published=published,
            ground_truth=ground_truth,
            window=window,
            pass_at=pass_at or [1],
            exact_floats=exact_floats,
            runtime=runtime,
            workers=workers,
        )
        for line in score_samples(samples, out, options):
            typer.echo(line)
