"""The workflow's jobs that score answers in the sandbox."""

from __future__ import annotations

from pathlib import Path

from selfalign.benchmarks import load_benchmark
from selfalign.core.config import Config
from selfalign.core.jsonl import write_json
from selfalign.evaluate.choices import find_choice, open_benchmark
from selfalign.evaluate.ground_truth import compute_ground_truth
from selfalign.evaluate.pool import open_scoring_pool
from selfalign.evaluate.published import compare, read_published
from selfalign.evaluate.samples import read_samples
from selfalign.evaluate.score import build_score
from selfalign.evaluate.scorers import build_scorer
from selfalign.evaluate.scoring import write_verdicts


def score_job(
    config: Config,
    key: str,
    samples: str | Path,
    ground_truth: str | Path | None,
    data: str | Path | None,
    *,
    verdicts: str | Path,
    timings: str | Path,
    score: str | Path,
    workers: int | None = None,
) -> None:
    """Write verdicts and score of the samples for the benchmark `key`."""
    benchmark = open_benchmark(config, find_choice(config, key), data)
    read = read_samples(samples, benchmark)
    scorer = build_scorer(benchmark, ground_truth)
    with open_scoring_pool(config.execution.runtime, workers) as pool:
        found = write_verdicts(benchmark, read, scorer, pool, out=verdicts, timings=timings)
    write_json(score, build_score(benchmark, found, config.evaluation.pass_at))


def published_job(
    config: Config,
    key: str,
    ground_truth: str | Path | None,
    data: str | Path | None,
    *,
    verdicts: str | Path,
    timings: str | Path,
    score: str | Path,
    comparison: str | Path,
    workers: int | None = None,
) -> None:
    """Score the published samples `key` again and compare with their published verdicts."""
    entry = next(each for each in config.evaluation.published_samples if each.key == key)
    shared = config.paths.shared
    benchmark = load_benchmark(entry.benchmark, entry.version, data)
    read = read_samples(entry.samples.format(shared=shared), benchmark)
    published = (
        read_published(entry.verdicts.format(shared=shared), benchmark.by_id(), benchmark.title)
        if entry.verdicts
        else None
    )
    scorer = build_scorer(benchmark, ground_truth, exact_floats=entry.exact_floats)
    with open_scoring_pool(config.execution.runtime, workers) as pool:
        found = write_verdicts(benchmark, read, scorer, pool, out=verdicts, timings=timings)
    compared = compare(found, published) if published else None
    write_json(score, build_score(benchmark, found, config.evaluation.pass_at))
    write_json(comparison, compared)


def ground_truth_job(
    config: Config,
    name: str,
    version: str,
    data: str | Path | None,
    out: str | Path,
    *,
    workers: int | None = None,
) -> None:
    """Compute the ground truth of one version of a benchmark."""
    benchmark = load_benchmark(name, version, data)
    with open_scoring_pool(config.execution.runtime, workers) as pool:
        compute_ground_truth(benchmark, pool, out, config.evaluation)
