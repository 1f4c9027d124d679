"""The sandbox as scoring uses it: harnesses loaded beforehand, and none needed."""

from __future__ import annotations

import json

import pytest

from selfalign.evaluate.harness import common, harness_source, livecodebench, read_reason
from selfalign.sandbox import Pool, Program, open_pool

CASES = [{"input": "2", "output": "4"}, {"input": "3", "output": "9"}]


def squares(answer: str) -> Program:
    job = {"code": f"def square(x):\n    return {answer}", "function": "square", "cases": CASES, "limit": 5}
    return Program(answer, harness_source(livecodebench), stdin=json.dumps(job))


def judged(pool: Pool) -> list[tuple[str, dict]]:
    verdicts = pool.run(map(squares, ("x * x", "x + x", "x * x")))
    return [(verdict.status, read_reason(verdict.stderr)) for verdict in verdicts]


@pytest.fixture
def cold():
    with open_pool("bubblewrap", workers=1) as opened:
        yield opened


def test_a_harness_judges_alike_where_it_is_loaded_beforehand_and_where_it_is_not(pool, cold):
    assert judged(pool) == judged(cold)
    assert judged(cold) == [
        ("passed", {}),
        ("assertion", {"reason": "wrong answer", "input": 1}),
        ("passed", {}),
    ]


def test_harnesses_are_loaded_beforehand(pool, cold):
    source = "import sys\nassert {} <= set(sys.modules)"
    for names in ({common.__name__, livecodebench.__name__}, {"evalplus.eval"}):
        loaded = Program("loaded", source.format(names))
        assert next(pool.run([loaded])).status == "passed"
        assert next(cold.run([loaded])).status == "assertion"
