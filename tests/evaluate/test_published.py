"""The published verdicts, task by task; reference solutions; the command: on published data and on records of our own."""

from __future__ import annotations

import pytest
from own_records import EVALPLUS, MBPP
from typer.testing import CliRunner

from selfalign.benchmarks import load_benchmark
from selfalign.cli import build_app
from selfalign.core.errors import ConfigError, DataError
from selfalign.core.jsonl import read_json, read_jsonl, write_json, write_jsonl

NAME = "evalplus-starcoder2-15b-instruct-v0.1-humaneval"


@pytest.fixture(scope="module")
def truths(tmp_path_factory):
    return tmp_path_factory.mktemp("truths")


def _score(data, truth, out, samples, version, *options, benchmark="humaneval_plus"):
    arguments = [
        *("score", "--benchmark", benchmark, "--dataset-version", version, *options),
        *("--data", str(data), "--ground-truth", str(truth)),
        *(str(samples), str(out)),
    ]
    return CliRunner().invoke(build_app(), arguments, catch_exceptions=False)


def test_own_answers_are_scored_and_compared_with_own_verdicts(own_data, tmp_path):
    data = own_data("humaneval_plus", "v0.1.9", EVALPLUS)
    samples, published = tmp_path / "samples.jsonl", tmp_path / "published.json"
    write_jsonl(
        samples,
        [
            # Equal within 1e-6, not to the bit.
            {
                "task_id": "HumanEval/900",
                "completion": "    return [value * 0.5 + 1e-12 for value in values]\n",
            },
            # Wrong for an added input.
            {"task_id": "HumanEval/901", "completion": "    return a + b if a != 10 else 0\n"},
        ],
    )
    statuses = {"base_status": "pass", "plus_status": "pass"}
    write_json(published, {"eval": {record["task_id"]: [statuses] for record in EVALPLUS}})

    def scored(out, *options):
        result = _score(
            data, tmp_path / "truth.gz", out, samples, "v0.1.9", "--published", str(published), *options
        )
        assert result.exit_code == 0, result.output
        metrics = read_json(out / "score.json")["metrics"]
        comparison = read_json(out / "comparison.json")
        differing = [(each["task_id"], each["part"]) for each in comparison["differing"]]
        assert comparison["published_correct"] == {"base": 2, "plus": 2}
        return [metrics[f"{part} pass@1"]["correct"] for part in ("base", "plus")], differing

    assert scored(tmp_path / "out") == ([2, 1], [("HumanEval/901", "plus")])
    assert read_json(tmp_path / "out/score.json")["limits"] == {"memory_mb": 4096, "evalplus_task_s": 60.0}
    assert scored(tmp_path / "larger", "--limit", "memory_mb=8192") == ([2, 1], [("HumanEval/901", "plus")])
    assert read_json(tmp_path / "larger/score.json")["limits"]["memory_mb"] == 8192
    base, plus = ("HumanEval/900", "base"), ("HumanEval/900", "plus")
    assert scored(tmp_path / "exact", "--exact-floats") == ([1, 0], [base, plus, ("HumanEval/901", "plus")])


@pytest.mark.parametrize("limit", ["memory_mb", "memory_mb=x"])
def test_a_limit_without_a_number_is_refused(own_data, tmp_path, limit):
    data = own_data("humaneval_plus", "v0.1.9", EVALPLUS)
    result = _score(data, tmp_path, tmp_path, tmp_path / "none", "v0.1.9", "--limit", limit)
    assert result.exit_code == 2
    assert "NAME=VALUE" in result.output
    assert f"'{limit}'" in result.output


def test_an_unknown_limit_is_refused(own_data, tmp_path):
    data = own_data("humaneval_plus", "v0.1.9", EVALPLUS)
    with pytest.raises(ConfigError, match=r"--limit\.memory.*memory_mb"):
        _score(data, tmp_path, tmp_path, tmp_path / "none", "v0.1.9", "--limit", "memory=1")


@pytest.mark.published
@pytest.mark.parametrize(
    ("version", "options", "plus", "differing"),
    [
        ("v0.1.9", ["--exact-floats"], 104, []),
        ("v0.1.9", [], 105, ["HumanEval/21"]),
        ("v0.1.10", [], 105, ["HumanEval/21"]),
    ],
)
def test_published_verdicts(
    published_data, published_file, truths, tmp_path, version, options, plus, differing
):
    result = _score(
        published_data("humaneval_plus", version),
        truths / f"humaneval_plus-{version}.gz",
        tmp_path,
        published_file(f"{NAME}.jsonl"),
        version,
        *("--published", str(published_file(f"{NAME}_eval_results.json")), *options),
    )
    assert result.exit_code == 0, result.output
    score, comparison = read_json(tmp_path / "score.json"), read_json(tmp_path / "comparison.json")
    assert score["metrics"]["base pass@1"]["correct"] == 119
    assert score["metrics"]["plus pass@1"]["correct"] == plus
    assert comparison["published_correct"] == {"base": 119, "plus": 104}
    assert [each["task_id"] for each in comparison["differing"]] == differing
    assert all(each["explanation"] for each in comparison["differing"])


@pytest.mark.parametrize(
    ("name", "version", "records"), [("humaneval_plus", "v0.1.9", EVALPLUS), ("mbpp_plus", "v0.2.0", MBPP)]
)
def test_reference_solutions_of_our_own_score_one(own_data, tmp_path, name, version, records):
    _check_reference_solutions(
        own_data(name, version, records), tmp_path / "truth.gz", tmp_path, name, version
    )


@pytest.mark.published
@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("humaneval_plus", "v0.1.9"),
        ("humaneval_plus", "v0.1.10"),
        # About half a minute of one core for the reference solutions of two tasks alone (Mbpp/255, Mbpp/599), twice.
        ("mbpp_plus", "v0.1.0"),
        ("mbpp_plus", "v0.2.0"),
    ],
)
def test_reference_solutions_score_one(published_data, truths, tmp_path, name, version):
    truth = truths / f"{name}-{version}.gz"
    _check_reference_solutions(published_data(name, version), truth, tmp_path, name, version)


def _check_reference_solutions(data, truth, tmp_path, name, version):
    benchmark = load_benchmark(name, version, data)
    write_jsonl(
        tmp_path / "samples.jsonl",
        ({"task_id": t.id, "solution": benchmark.reference_solution(t)} for t in benchmark.tasks),
    )
    result = _score(data, truth, tmp_path, tmp_path / "samples.jsonl", version, benchmark=name)
    assert result.exit_code == 0, result.output
    verdicts = list(read_jsonl(tmp_path / "verdicts.jsonl"))
    assert len(verdicts) == len(benchmark.tasks)
    assert [row for row in verdicts if not row["passed"]] == []


def test_bad_samples_leave_no_score(own_data, tmp_path):
    data = own_data("humaneval_plus", "v0.1.9", EVALPLUS)
    samples = tmp_path / "samples.jsonl"
    write_jsonl(samples, [{"task_id": "HumanEval/900", "completion": ""}])
    with pytest.raises(DataError, match="1 of 2 tasks"):
        _score(data, tmp_path / "truth.gz", tmp_path / "out", samples, "v0.1.9")
    assert not (tmp_path / "out").exists()
