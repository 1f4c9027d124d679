"""Samples to verdicts, in the sandbox."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from selfalign.benchmarks import Benchmark
from selfalign.core.errors import InfrastructureError
from selfalign.core.jsonl import Record, write_jsonl
from selfalign.evaluate.canary import check_harness
from selfalign.evaluate.harness import read_reason
from selfalign.evaluate.samples import Sample
from selfalign.evaluate.scorers import Scorer
from selfalign.sandbox import Pool, Program, Verdict

PASS, FAIL, TIMEOUT = "pass", "fail", "timeout"


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


def part_verdict(verdict: Verdict) -> dict[str, Any]:
    """Return one part of a verdict."""
    if verdict.status == "passed":
        return {"status": PASS, "reason": None, "failing_input": None}
    found = read_reason(verdict.stderr)
    reason = found.get("reason") or verdict.error or verdict.status
    timed_out = verdict.status == "timeout" or reason == "TimeoutError"
    return {
        "status": TIMEOUT if timed_out else FAIL,
        "reason": reason,
        "failing_input": found.get("input"),
    }
