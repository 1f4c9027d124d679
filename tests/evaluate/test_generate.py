"""Answers from a server: in the layout of sample files, and none of them where the server dies."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest
from own_records import CONTEST
from tests.scripted_server import completion
from tests.tiny import write_tiny_checkpoint

from selfalign.benchmarks import load_benchmark
from selfalign.client import Choice, Result, open_client
from selfalign.completion_cache import open_completion_cache, request_key
from selfalign.core.config.evaluation import BenchmarkChoice
from selfalign.core.config.serving import ClientConfig
from selfalign.core.errors import DataError, InfrastructureError
from selfalign.core.jsonl import read_jsonl, write_jsonl
from selfalign.evaluate.generate import generate_samples, sample_benchmark
from selfalign.evaluate.prompts import build_task_format
from selfalign.evaluate.samples import read_samples
from selfalign.evaluate.score import build_score
from selfalign.evaluate.scorers import build_scorer


class _Client:
    """Answers every request with its number, until it is told to fail."""

    def __init__(self, fails_at=None):
        self.requests = []
        self.fails_at = fails_at

    def complete(self, requests):
        for number, request in enumerate(requests):
            self.requests.append(request)
            if number == self.fails_at:
                yield Result(request, (), {}, "the server is gone")
            else:
                yield Result(request, tuple(Choice("    pass\n", "stop") for _ in range(request.n)), {})


@pytest.fixture(scope="module")
def benchmark():
    return load_benchmark("humaneval")


def generate_all(benchmark, client, out):
    """Sample HumanEval as its definition says."""
    choice = BenchmarkChoice(name="humaneval")
    generate_samples(benchmark, choice, client, out, task_format=build_task_format(benchmark), seed=0)


def test_samples_are_what_scoring_reads(tmp_path, benchmark):
    out, client = tmp_path / "samples.jsonl", _Client()
    choice = BenchmarkChoice(name="humaneval", max_new_tokens=33)
    generate_samples(benchmark, choice, client, out, task_format=build_task_format(benchmark), seed=1)
    assert len(read_samples(out, benchmark)) == 164
    first = next(read_jsonl(out))
    assert first["solution"] == benchmark.tasks[0].prompt + "    pass\n"
    request = client.requests[0]
    assert (request.max_tokens, request.temperature, request.seed, request.n) == (33, 0.0, None, 1)


def test_samples_of_different_tasks_have_different_seeds(tmp_path, benchmark):
    """A server such as vLLM gives sample j of a request the seed of the request plus j."""
    out, client = tmp_path / "samples.jsonl", _Client()
    choice = BenchmarkChoice(name="humaneval", n=3, temperature=0.8)
    generate_samples(benchmark, choice, client, out, task_format=build_task_format(benchmark), seed=10)
    assert [request.seed for request in client.requests[:3]] == [10, 13, 16]
    assert sum(1 for _ in read_jsonl(out)) == 3 * 164


def test_a_server_that_dies_leaves_no_samples(tmp_path, benchmark):
    out = tmp_path / "samples.jsonl"
    with pytest.raises(InfrastructureError, match=r"task HumanEval/7: no completion .*the server is gone"):
        generate_all(benchmark, _Client(7), out)
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_not_there_is_one_message(tmp_path, benchmark):
    settings = ClientConfig(max_retries=0)
    out = tmp_path / "samples.jsonl"
    with (
        contextlib.ExitStack() as stack,
        pytest.raises(InfrastructureError),
    ):
        client = stack.enter_context(
            open_client(["http://127.0.0.1:9/v1"], "m", identity="i", cache=None, settings=settings)
        )
        generate_all(benchmark, client, out)
    assert not out.exists()


def test_no_request_has_more_stops_than_the_api_takes_and_answers_end_at_all_of_them(tmp_path, benchmark):
    out, client = tmp_path / "samples.jsonl", _Client()
    generate_all(benchmark, client, out)
    assert len(benchmark.definition.plain.stop) > 4
    assert all(len(request.body()["stop"]) == 4 for request in client.requests)
    for stop in benchmark.definition.plain.stop:
        assert client.requests[0].cut(f"    return 1{stop}rest") == "    return 1"


def test_a_fragment_is_no_sample(scripted_server, tmp_path, benchmark):
    """Neither a server's, nor one that an earlier version has left in the completion cache."""
    two = replace(benchmark, tasks=benchmark.tasks[:2])
    server = scripted_server(lambda _: completion("    retu", finish_reason="abort"))
    settings = ClientConfig(max_retries=1, backoff_first_s=0.01)
    out, cache = tmp_path / "samples.jsonl", tmp_path / "cache"

    def ask(url):
        with open_client([url], "base", identity="m", cache=cache, settings=settings) as client:
            generate_all(two, client, out)

    with pytest.raises(InfrastructureError, match=r"HumanEval/0: no completion .*finish_reason 'abort'"):
        ask(server.url)
    assert not out.exists()
    keys = [request_key("m", {k: v for k, v in body.items() if k != "model"}) for body in server.bodies]
    fragment = {"text": "    retu", "finish_reason": "abort", "logprobs": None}
    with open_completion_cache(cache) as earlier:
        earlier.append([(key, {"model": "m", "choices": [fragment], "usage": {}}) for key in keys])
    with open_completion_cache(cache) as earlier:
        assert earlier.get(keys[0]) is not None
    whole = scripted_server(lambda _: completion("    return 1\n"))
    ask(whole.url)
    assert [row["answer"] for row in read_jsonl(out)] == ["    return 1\n"] * 2
    assert len(whole.bodies) == 2


def test_sampled_answers_become_an_unbiased_pass_at_k(tmp_path, benchmark, judge):
    """By counting: of 4 answers to a task, 1 is right, so of the 6 pairs 3 hold it; all 4 of another are right."""
    right = {task.prompt.rstrip(): task.canonical_solution for task in benchmark.tasks[:2]}

    class Sampled:
        def complete(self, requests):
            for number, request in enumerate(requests):
                good = right.get(request.prompt, "")
                texts = [
                    good if number == 1 or place == 2 else "    return None\n" for place in range(request.n)
                ]
                yield Result(request, tuple(Choice("\n" + text, "stop") for text in texts), {})

    small = replace(benchmark, tasks=benchmark.tasks[:2])
    choice = BenchmarkChoice(name="humaneval", n=4, temperature=0.8)
    generate_samples(
        small, choice, Sampled(), tmp_path / "samples.jsonl", task_format=build_task_format(small), seed=0
    )
    verdicts = judge(build_scorer(small, None), read_samples(tmp_path / "samples.jsonl", small))
    assert [verdict["passed"] for verdict in verdicts] == [False, False, True, False, True, True, True, True]
    score = build_score(small, verdicts, [1, 2, 4, 10])
    assert score["samples_per_task"] == 4
    values = {name: metric["value"] for name, metric in score["metrics"].items()}
    assert values == {
        "pass@1": pytest.approx((1 / 4 + 1) / 2),
        "pass@2": pytest.approx((3 / 6 + 1) / 2),
        "pass@4": pytest.approx(1.0),
    }
    assert all("correct" not in metric for metric in score["metrics"].values())
    assert list(build_score(small, verdicts, [2])["metrics"]) == ["pass@1", "pass@2"]


@pytest.mark.parametrize("tuned", [False, True])
@pytest.mark.parametrize("layout", ["own", "plain"])
def test_a_rerun_that_the_cache_answers_starts_no_server(cached, tmp_path, tmp_path_factory, tuned, layout):
    tokenizer = write_tiny_checkpoint(tmp_path_factory.mktemp("tiny"))

    def job(config, checkpoint):
        choice = config.evaluation.benchmarks[0]
        sample_benchmark(
            config,
            layout,
            choice,
            tmp_path / "samples",
            tuned=tuned,
            checkpoint=checkpoint,
            tokenizer=tokenizer,
            data=None,
        )
        return [tmp_path / "samples"]

    cached(job, model={"name": "served"}, evaluation={"benchmarks": [{"name": "humaneval"}]})


@pytest.fixture
def first_attempts(tmp_path):
    """Samples and verdicts of two tasks: two failures at the first, a success and a timeout at the second."""
    samples, verdicts = tmp_path / "first.jsonl", tmp_path / "verdicts.jsonl"
    write_jsonl(
        samples,
        [
            {
                "task_id": task,
                "sample": number,
                "solution": f"{task} {number}",
                "answer": "",
                "finish_reason": "stop",
            }
            for task in ("add-one", "pairs")
            for number in (0, 1)
        ],
    )
    wrong = {"status": "fail", "reason": "wrong answer", "failing_input": 1, "output": "8\n"}
    broken = {"status": "fail", "reason": "SyntaxError", "failing_input": None}
    late = {"status": "timeout", "reason": "TimeoutError", "failing_input": 0}
    passed = {"status": "pass", "reason": None, "failing_input": None}
    parts = {("add-one", 0): wrong, ("add-one", 1): broken, ("pairs", 0): passed, ("pairs", 1): late}
    write_jsonl(
        verdicts,
        [
            {"task_id": task, "sample": number, "passed": part == passed, "base": part}
            for (task, number), part in parts.items()
        ],
    )
    return samples, verdicts


def test_failed_samples_are_asked_for_again_with_their_errors(tmp_path, make_benchmark, first_attempts):
    repair, out, client = (
        make_benchmark("livecodebench_repair", CONTEST),
        tmp_path / "samples.jsonl",
        _Client(),
    )
    choice = BenchmarkChoice(name="livecodebench_repair")
    generate_samples(
        repair, choice, client, out, task_format=build_task_format(repair), seed=5, repaired=first_attempts
    )
    rows = list(read_jsonl(out))
    assert [(row["task_id"], row["sample"], row["repaired"]) for row in rows] == [
        ("add-one", 0, True),
        ("add-one", 1, True),
        ("pairs", 0, False),
        ("pairs", 1, True),
    ]
    assert rows[2]["solution"] == "pairs 0"
    assert [(request.seed, request.n) for request in client.requests] == [(5, 1), (6, 1), (7, 1)]
    wrong, broken, late = (request.prompt for request in client.requests)
    assert "# Input:\n# 7\n# Output:\n# 8\n# Expected output:\n# 7.50\n" in wrong
    assert "\nadd-one 0\n" in wrong
    assert "It fails with SyntaxError.\n" in broken
    assert "Input" not in broken
    assert "It exceeds the time limit.\n# Input:\n# 2\n# 1\n# Expected output:\n# [1, 2]\n" in late
    assert len(read_samples(out, repair)) == 4


@pytest.mark.parametrize(
    ("cut", "message"), [(0, "expected the samples of task 'pairs'"), (1, "expected a verdict on sample 1")]
)
def test_samples_to_repair_must_be_complete(tmp_path, make_benchmark, first_attempts, cut, message):
    repair = make_benchmark("livecodebench_repair", CONTEST)
    file = first_attempts[cut]
    write_jsonl(file, list(read_jsonl(file))[: 2 + cut])
    with pytest.raises(DataError, match=message):
        generate_samples(
            repair,
            BenchmarkChoice(name="livecodebench_repair"),
            _Client(),
            tmp_path / "out.jsonl",
            task_format=build_task_format(repair),
            seed=0,
            repaired=first_attempts,
        )
    assert not (tmp_path / "out.jsonl").exists()
