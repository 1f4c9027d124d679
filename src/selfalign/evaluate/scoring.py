"""Samples to verdicts and a score, in the sandbox."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfalign.benchmarks import Benchmark
from selfalign.core.config.evaluation import EvaluationConfig
from selfalign.core.errors import InfrastructureError
from selfalign.core.jsonl import Record, write_json, write_jsonl
from selfalign.evaluate.ground_truth import update_ground_truth
from selfalign.evaluate.harness import MOST, contest, evalplus_check, oracle, script, warm_up
from selfalign.evaluate.harness_check import check_harness
from selfalign.evaluate.published import compare, read_published
from selfalign.evaluate.samples import Sample, check_syntax, read_samples
from selfalign.evaluate.score import build_score
from selfalign.evaluate.scorers import Scorer, build_scorer, needs_ground_truth
from selfalign.evaluate.verdicts import PASS, part_verdict
from selfalign.sandbox import Pool, Program, open_pool

logger = logging.getLogger(__name__)


def open_scoring_pool(runtime: str = "auto", workers: int | None = None) -> AbstractContextManager[Pool]:
    """Return a context manager of a pool with room for every benchmark's programs, their harnesses loaded.

    Args:
        runtime: name of the sandbox runtime.
        workers: number of slots; None: one per core.
    """
    return open_pool(
        runtime, workers=workers, most=MOST, warm=warm_up(evalplus_check, oracle, contest, script)
    )


@dataclass(frozen=True)
class ScoreFiles:
    """Where the outcome of scoring is written.

    Attributes:
        verdicts: see :func:`write_verdicts`.
        timings: see :func:`write_verdicts`.
        score: see :func:`~selfalign.evaluate.score.build_score`.
        comparison: how the verdicts differ from published ones; null without any.
    """

    verdicts: str | Path
    timings: str | Path
    score: str | Path
    comparison: str | Path | None = None

    def remove(self) -> None:
        """Remove what an earlier call wrote: it must not pass for the outcome of one that fails."""
        for path in (self.verdicts, self.timings, self.score, self.comparison):
            if path is not None:
                Path(path).unlink(missing_ok=True)


def score_samples(
    samples: str | Path,
    benchmark: Benchmark,
    out: ScoreFiles,
    *,
    ground_truth: str | Path | None = None,
    time_limits: EvaluationConfig | None = None,
    published: str | Path | None = None,
    exact_floats: bool = False,
    pass_at: Sequence[int] = (1,),
    runtime: str = "auto",
    workers: int | None = None,
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Score a file of samples; write verdicts, timings, score and comparison; return the last two.

    Args:
        samples: JSON Lines, see :func:`~selfalign.evaluate.samples.read_samples`.
        benchmark: what they answer.
        out: where the outcome is written.
        ground_truth: the artifact of :mod:`~selfalign.evaluate.ground_truth`, for benchmarks that need one.
        time_limits: compute the ground truth with these limits if it is missing or outdated; None: never.
        published: published verdicts on the same samples, in EvalPlus' layout.
        exact_floats: whether floating-point outputs must be equal to the bit.
        pass_at: each k of pass@k.
        runtime: name of the sandbox runtime.
        workers: number of slots; None: one per core.

    Raises:
        DataError: samples, data or published verdicts are incomplete; no score is written.
        InfrastructureError: the sandbox failed; no score is written.
    """
    out.remove()
    read = read_samples(samples, benchmark)
    # A DS-1000 solution is inserted into the code of its task and need not compile alone.
    syntax = check_syntax(read) if benchmark.definition.scoring != "ds1000" else None
    if syntax is not None and (warning := syntax.warning()):
        logger.warning("%s: %s", samples, warning)
    known = read_published(published, benchmark.by_id(), benchmark.title) if published else None
    with open_scoring_pool(runtime, workers) as pool:
        if time_limits is not None and needs_ground_truth(benchmark) and ground_truth is not None:
            update_ground_truth(benchmark, pool, ground_truth, time_limits)
        scorer = build_scorer(benchmark, ground_truth, exact_floats=exact_floats)
        verdicts = write_verdicts(benchmark, read, scorer, pool, out=out.verdicts, timings=out.timings)
    comparison = compare(verdicts, known) if known is not None else None
    score = build_score(benchmark, verdicts, pass_at, syntax)
    if out.comparison is not None:
        write_json(out.comparison, comparison)
    write_json(out.score, score)
    return score, comparison


def write_verdicts(
    benchmark: Benchmark,
    samples: Sequence[Sample],
    scorer: Scorer,
    pool: Pool,
    *,
    out: str | Path,
    timings: str | Path,
) -> list[Record]:
    """Score `samples` and write a verdict a line, in their order; return the verdicts.

    A verdict has ``task_id``, ``sample``, ``passed`` and, for each part of the benchmark (base, plus), an object:
    ``status`` (pass, fail, timeout), ``reason`` and ``failing_input`` (index of the first). All parts must pass for the
    sample to pass. `timings` gets the same verdicts with ``cpu_s``, seconds of CPU time, in every part; they were
    measured and so differ from run to run, unlike what is in `out`.

    Raises:
        InfrastructureError: the sandbox could not run a program, or gets known answers wrong; nothing is written.
    """
    check_harness(benchmark, scorer, pool)
    scored = list(score(samples, scorer, pool))
    verdicts = [verdict for verdict, _ in scored]
    write_jsonl(out, verdicts)
    write_jsonl(timings, (timed for _, timed in scored))
    return verdicts


def score(samples: Sequence[Sample], scorer: Scorer, pool: Pool) -> Iterator[tuple[Record, Record]]:
    """Yield the verdict of each of `samples`, without and with times, in order. See :func:`write_verdicts`."""
    jobs = [(sample, part) for sample in samples for part in scorer.parts]
    # The long ones first, so that no core is left with one of them at the end.
    order = sorted(range(len(jobs)), key=lambda number: -scorer.cost(jobs[number][0].task, jobs[number][1]))

    def programs() -> Iterator[Program]:
        for number in order:
            sample, part = jobs[number]
            key = f"{sample.task.id}#{sample.number}:{part}"
            yield scorer.program(key, sample.task, sample.solution, part)

    # Verdicts hold what programs wrote, so only what is needed of them is kept.
    found: dict[int, tuple[dict[str, Any], float]] = {}
    for number, verdict in zip(order, pool.run(programs()), strict=True):
        if verdict.status == "infrastructure":
            raise InfrastructureError(
                f"{verdict.key}: the sandbox could not run it, so there is no score: "
                f"{verdict.stderr or verdict.error}"
            )
        found[number] = part_verdict(verdict), round(verdict.cpu_s, 3)
    numbers = iter(range(len(jobs)))
    for sample in samples:
        judged = {part: found[next(numbers)] for part in scorer.parts}
        parts = {part: verdict for part, (verdict, _) in judged.items()}
        passed = all(each["status"] == PASS for each in parts.values())
        identity = {"task_id": sample.task.id, "sample": sample.number}
        timed = {part: {**verdict, "cpu_s": spent} for part, (verdict, spent) in judged.items()}
        yield {**identity, "passed": passed, **parts}, {**identity, "passed": passed, **timed}
