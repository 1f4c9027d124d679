"""The published verdicts, task by task; reference solutions; the command. On the published data, read in place."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from selfalign.benchmarks import load_benchmark
from selfalign.cli import build_app
from selfalign.core.errors import DataError
from selfalign.core.jsonl import read_json, read_jsonl, write_jsonl
from selfalign.evaluate.reference import reference_solution

NAME = "evalplus-starcoder2-15b-instruct-v0.1-humaneval"


@pytest.fixture(scope="module")
def truths(tmp_path_factory):
    return tmp_path_factory.mktemp("truths")


def _score(shared, truths, out, samples, version, *options, benchmark="humaneval_plus"):
    arguments = [
        *("score", "--benchmark", benchmark, "--dataset-version", version, *options),
        *(
            "--data",
            str(shared / "data" / "evalplus"),
            "--ground-truth",
            str(truths / f"{benchmark}-{version}.gz"),
        ),
        *(str(samples), str(out)),
    ]
    return CliRunner().invoke(build_app(), arguments, catch_exceptions=False)


@pytest.mark.parametrize(
    ("version", "options", "plus", "differing"),
    [
        ("v0.1.9", ["--exact-floats"], 104, []),
        ("v0.1.9", [], 105, ["HumanEval/21"]),
        ("v0.1.10", [], 105, ["HumanEval/21"]),
    ],
)
def test_published_verdicts(shared, truths, tmp_path, version, options, plus, differing):
    published = shared / "data" / "published"
    result = _score(
        shared,
        truths,
        tmp_path,
        published / f"{NAME}.jsonl",
        version,
        *("--published", str(published / f"{NAME}_eval_results.json"), *options),
    )
    assert result.exit_code == 0, result.output
    score, comparison = read_json(tmp_path / "score.json"), read_json(tmp_path / "comparison.json")
    assert score["metrics"]["base pass@1"]["correct"] == 119
    assert score["metrics"]["plus pass@1"]["correct"] == plus
    assert comparison["published_correct"] == {"base": 119, "plus": 104}
    assert [each["task_id"] for each in comparison["differing"]] == differing
    assert all(each["explanation"] for each in comparison["differing"])


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("humaneval_plus", "v0.1.9"),
        ("humaneval_plus", "v0.1.10"),
        # About half a minute of one core for the reference solutions of two tasks alone (Mbpp/255, Mbpp/599), twice.
        pytest.param("mbpp_plus", "v0.1.0", marks=pytest.mark.soak),
        pytest.param("mbpp_plus", "v0.2.0", marks=pytest.mark.soak),
    ],
)
def test_reference_solutions_score_one(shared, truths, tmp_path, name, version):
    benchmark = load_benchmark(name, version, shared / "data" / "evalplus")
    write_jsonl(
        tmp_path / "samples.jsonl",
        ({"task_id": t.id, "solution": reference_solution(benchmark, t)} for t in benchmark.tasks),
    )
    result = _score(shared, truths, tmp_path, tmp_path / "samples.jsonl", version, benchmark=name)
    assert result.exit_code == 0, result.output
    failed = [row for row in read_jsonl(tmp_path / "verdicts.jsonl") if not row["passed"]]
    assert failed == []


def test_bad_samples_leave_no_score(shared, truths, tmp_path):
    samples = tmp_path / "samples.jsonl"
    write_jsonl(samples, [{"task_id": "HumanEval/0", "completion": ""}])
    with pytest.raises(DataError, match="163 of 164 tasks"):
        _score(shared, truths, tmp_path / "out", samples, "v0.1.9")
    assert not (tmp_path / "out").exists()
