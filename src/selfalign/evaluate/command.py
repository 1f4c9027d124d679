"""Scoring a file of samples outside the workflow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import platformdirs

from selfalign.benchmarks import Benchmark, load_benchmark
from selfalign.core.config.evaluation import EvaluationConfig
from selfalign.core.jsonl import write_json
from selfalign.evaluate.ground_truth import compute_ground_truth, is_current
from selfalign.evaluate.pool import open_scoring_pool
from selfalign.evaluate.published import compare, read_published
from selfalign.evaluate.samples import read_samples
from selfalign.evaluate.score import build_score
from selfalign.evaluate.scorers import build_scorer, needs_ground_truth
from selfalign.evaluate.scoring import write_verdicts

OUTPUTS = ("verdicts.jsonl", "timings.jsonl", "score.json", "comparison.json")
# Differing verdicts shown on the terminal.
SHOWN = 10


@dataclass(frozen=True)
class ScoreOptions:
    """What to score on, and how; see ``selfalign score --help``."""

    benchmark: str
    version: str | None = None
    data: Path | None = None
    published: Path | None = None
    ground_truth: Path | None = None
    window: tuple[str, str] | None = None
    pass_at: Sequence[int] = field(default=(1,))
    exact_floats: bool = False
    runtime: str = "auto"
    workers: int | None = None


def score_samples(samples: str | Path, out: str | Path, options: ScoreOptions) -> Iterator[str]:
    """Score `samples`, write verdicts, timings and ``score.json`` into `out`; yield lines that tell the outcome.

    Raises:
        DataError: samples, data or published verdicts are not whole; no score is written.
        InfrastructureError: the sandbox failed; no score is written.
    """
    out = Path(out)
    # What an earlier run left must not pass for the score of one that fails.
    for name in OUTPUTS:
        (out / name).unlink(missing_ok=True)
    with ExitStack() as stack, ThreadPoolExecutor(1) as other:
        # The sandbox tests itself while the files are read.
        opening = other.submit(stack.enter_context, open_scoring_pool(options.runtime, options.workers))
        benchmark = load_benchmark(options.benchmark, options.version, options.data, window=options.window)
        read = read_samples(samples, benchmark)
        published = (
            read_published(options.published, benchmark.by_id(), benchmark.title)
            if options.published
            else None
        )
        settings, truth = EvaluationConfig(), None
        if needs_ground_truth(benchmark):
            truth = Path(options.ground_truth or default_truth_path(benchmark))
            if not is_current(truth, benchmark, settings):
                compute_ground_truth(benchmark, opening.result(), truth, settings)
        scorer = build_scorer(benchmark, truth, exact_floats=options.exact_floats)
        files = {"out": out / "verdicts.jsonl", "timings": out / "timings.jsonl"}
        verdicts = write_verdicts(benchmark, read, scorer, opening.result(), **files)
    comparison = compare(verdicts, published) if published is not None else None
    score = build_score(benchmark, verdicts, options.pass_at)
    write_json(out / "score.json", score)
    yield from _lines(score)
    if comparison is not None:
        write_json(out / "comparison.json", comparison)
        yield f"against the published verdicts: {comparison['agreeing']} of {comparison['tasks']} tasks agree"
        differing = comparison["differing"]
        for difference in differing[:SHOWN]:
            yield (
                f"  {difference['task_id']} ({difference['part']}): published {difference['published']}, "
                f"ours {difference['ours']} ({difference['reason']}); {difference['explanation'] or 'unexplained'}"
            )
        if len(differing) > SHOWN:
            yield f"  and {len(differing) - SHOWN} more, in {out / 'comparison.json'}"


def default_truth_path(benchmark: Benchmark) -> Path:
    """Return where a benchmark's ground truth is kept between commands."""
    cache = platformdirs.user_cache_path("selfalign")
    return cache / "ground_truth" / f"{benchmark.name}-{benchmark.version}-{benchmark.sha256[:12]}.jsonl"


def _lines(score: dict[str, Any]) -> Iterator[str]:
    dataset, harness = score["dataset"], score["harness"]
    yield (
        f"{score['title']} {dataset['version']} (data {dataset['sha256'][:12]}), {score['n']} tasks, "
        f"{score['samples_per_task']} sample(s) each; selfalign {harness['selfalign']}, evalplus {harness['evalplus']}"
    )
    for name, metric in score["metrics"].items():
        low, high = metric["interval"]
        count = f", {metric['correct']} of {score['n']}" if "correct" in metric else ""
        yield f"{name}: {100 * metric['value']:.1f} % (95 %: {100 * low:.1f} to {100 * high:.1f}){count}"
