"""Verdicts on the same samples, scored again and again on a busy machine: which tasks waver.

    python benchmarks/verdict_stability.py --json [--repetitions 20] [--tasks N] [--load PROCESSES]

Scores the samples of `benchmarks/scoring.py` for HumanEval+ v0.1.10 and MBPP+ v0.2.0 in each repetition, while
processes that only compute (by default one per core) keep all cores busy. The ground truth, and with it the time limits,
is computed once, before the load starts. `wavering` lists the tasks and parts whose verdicts are not the same in all
repetitions, with the number of each status and reason. A failure of the sandbox ends the benchmark: it is no verdict.
`--tasks` takes the first N tasks of each benchmark only. Needs the published data: `make published` downloads them.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from scoring import CASES, DOWNLOADS, PUBLISHED, write_samples

from selfalign.benchmarks import load_benchmark
from selfalign.core.config.evaluation import EvaluationConfig
from selfalign.core.host import machine
from selfalign.evaluate.ground_truth import compute_ground_truth
from selfalign.evaluate.samples import read_samples
from selfalign.evaluate.scorers import build_scorer
from selfalign.evaluate.scoring import check_harness, open_scoring_pools, score

REPETITIONS = 20


def main() -> None:
    """Repeat the scoring and print one JSON object."""
    cores = len(os.sched_getaffinity(0))
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repetitions", type=int, default=REPETITIONS)
    parser.add_argument("--tasks", type=int, help="number of tasks of each benchmark [default: all]")
    parser.add_argument(
        "--load", type=int, default=cores, help="processes that keep the machine busy [default: one per core]"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object last (always done)")
    given = parser.parse_args()
    for path in (PUBLISHED, *(DOWNLOADS / "benchmarks" / name / CASES[name][3] for name in CASES)):
        if not path.is_file():
            sys.exit(f"{path} is missing; `make published` downloads it")
    found = {name: repeat(name, given.repetitions, given.tasks, given.load) for name in CASES}
    result = {
        "benchmark": "verdict_stability",
        "repetitions": given.repetitions,
        "load": given.load,
        "verdicts_equal": not any(each["wavering"] for each in found.values()),
        "per_benchmark": found,
        "machine": machine(),
    }
    print(json.dumps(result))


def repeat(name: str, repetitions: int, first: int | None, load: int) -> dict[str, Any]:
    """Score the same samples of a benchmark several times; return the number of verdicts and those that differ.

    Args:
        name: name of the benchmark.
        repetitions: number of times.
        first: number of tasks, from the first; None: all.
        load: number of busy processes.
    """
    version, data = CASES[name][0], DOWNLOADS / "benchmarks" / name
    whole = load_benchmark(name, version, data)
    benchmark = replace(whole, tasks=whole.tasks[:first])
    with tempfile.TemporaryDirectory(prefix="stability-") as scratch, open_scoring_pools() as pools:
        file, truth = Path(scratch) / "samples.jsonl", Path(scratch) / "truth.jsonl"
        write_samples(name, version, data, file)
        chosen = {task.id for task in benchmark.tasks}
        samples = [sample for sample in read_samples(file, whole) if sample.task.id in chosen]
        compute_ground_truth(benchmark, pools.judges, truth, EvaluationConfig())
        scorer = build_scorer(benchmark, truth)
        check_harness(benchmark, scorer, pools)
        seen: dict[tuple[str, str], Counter[str]] = {}
        seconds = []
        with busy(load):
            for number in range(repetitions):
                begun = time.monotonic()
                for verdict, _ in score(samples, scorer, pools):
                    for part in scorer.parts:
                        status, reason = verdict[part]["status"], verdict[part]["reason"]
                        text = f"{status} ({reason})" if reason else status
                        seen.setdefault((verdict["task_id"], part), Counter())[text] += 1
                seconds.append(round(time.monotonic() - begun, 1))
                print(f"{name}: repetition {number + 1}, {seconds[-1]} s", file=sys.stderr, flush=True)
    return {
        "version": version,
        "samples": len(samples),
        "verdicts": len(seen),
        "wall_s": seconds,
        "wavering": [
            {"task_id": task, "part": part, "verdicts": dict(counts.most_common())}
            for (task, part), counts in seen.items()
            if len(counts) > 1
        ],
    }


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """Keep cores busy during the block.

    Args:
        processes: number of processes that only compute.
    """
    workers = [multiprocessing.Process(target=_compute, daemon=True) for _ in range(processes)]
    for worker in workers:
        worker.start()
    try:
        yield
    finally:
        for worker in workers:
            worker.kill()
            worker.join()


def _compute() -> None:
    while True:
        pass


if __name__ == "__main__":
    main()
