"""A sandbox, and benchmarks made of a few records."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from selfalign.benchmarks import Benchmark, load_definition
from selfalign.benchmarks.records import read_tasks
from selfalign.core.jsonl import write_jsonl
from selfalign.evaluate.scoring import ScoringPools, open_scoring_pools, score


@pytest.fixture(scope="session")
def pools() -> Iterator[ScoringPools]:
    """The sandboxes of answers and of judges."""
    with open_scoring_pools() as opened:
        yield opened


@pytest.fixture(scope="session")
def make_benchmark(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Benchmark]:
    """Make a benchmark of a few records: by the name of its definition and the records."""

    def make(name: str, records: list[dict]) -> Benchmark:
        path: Path = tmp_path_factory.mktemp("benchmark") / "data.jsonl"
        write_jsonl(path, records)
        definition = load_definition(name)
        return Benchmark(definition, "test", tuple(read_tasks(definition.format, path)), "0" * 64)

    return make


@pytest.fixture(scope="session")
def judge(pools: ScoringPools) -> Callable[..., list[dict]]:
    """Score samples and return their verdicts."""

    def run(scorer, samples) -> list[dict]:
        return [verdict for verdict, _ in score(samples, scorer, pools)]

    return run
