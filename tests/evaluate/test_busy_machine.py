"""A loaded machine gives the same verdicts: limits count CPU time."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from own_records import EVALPLUS

from selfalign.benchmarks import load_benchmark
from selfalign.core.config.evaluation import EvaluationConfig
from selfalign.evaluate.ground_truth import compute_ground_truth
from selfalign.evaluate.samples import Sample
from selfalign.evaluate.scorers import build_scorer

# Half of the limit of one second, in CPU time: far more in wall time where four processes share each core.
BUSY_ANSWER = """
import time

def halve(values):
    begun = time.process_time()
    while time.process_time() - begun < 0.5:
        pass
    return [value / 2 for value in values]
"""
ENDLESS = "def add(a, b):\n    while True:\n        pass\n"
HUMANEVAL_TASKS = 20


@pytest.fixture
def busy() -> Iterator[None]:
    """Every core shared by four processes."""
    loads = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"])
        for _ in range(3 * len(os.sched_getaffinity(0)))
    ]
    yield
    for load in loads:
        load.kill()
        load.wait()


@pytest.fixture(scope="module")
def verdicts(make_benchmark, pools, judge, tmp_path_factory):
    """Score right, slow, wrong and endless answers; return the verdicts."""
    humaneval = load_benchmark("humaneval")
    own = make_benchmark("humaneval_plus", EVALPLUS)
    truth = tmp_path_factory.mktemp("truth") / "truth.jsonl"
    compute_ground_truth(own, pools.judges, truth, EvaluationConfig())

    def run():
        tasks = humaneval.tasks[:HUMANEVAL_TASKS]
        answers = [
            humaneval.reference_solution(task) if number % 2 else f"{task.prompt}    return 7\n"
            for number, task in enumerate(tasks)
        ]
        samples = [Sample(task, 0, answer) for task, answer in zip(tasks, answers, strict=True)]
        found = judge(build_scorer(humaneval, None), samples)
        own_samples = [Sample(own.tasks[0], 0, BUSY_ANSWER), Sample(own.tasks[1], 0, ENDLESS)]
        found += judge(build_scorer(own, truth), own_samples)
        return found

    return run


def test_the_same_verdicts_with_all_cores_busy(verdicts, request):
    request.getfixturevalue("busy")
    under_load = verdicts()
    assert [verdict["passed"] for verdict in under_load[:HUMANEVAL_TASKS]] == [False, True] * (
        HUMANEVAL_TASKS // 2
    )
    assert under_load[-2]["passed"], under_load[-2]
    assert under_load[-1]["base"]["status"] == "timeout"


def test_the_same_verdicts_as_on_an_idle_machine(verdicts, request):
    idle = verdicts()
    request.getfixturevalue("busy")
    assert verdicts() == idle
