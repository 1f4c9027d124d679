"""The plan against arithmetic by hand, against the published hours, and from a run's own counts."""

import json

import pytest
from typer.testing import CliRunner

from selfalign.cli import build_app
from selfalign.core.errors import DataError
from selfalign.core.jsonl import write_json
from selfalign.plan.whole_run import (
    PUBLISHED,
    PUBLISHED_HOURS,
    STAGES,
    Hardware,
    StageUsage,
    Usage,
    estimate_run,
    implied_utilisation,
    read_usage,
)

ONE = Usage(
    source="by hand",
    stages={
        "concepts": StageUsage(1.0, 100, 10, 1),
        "instructions": StageUsage(0.5, 200, 20, 1),
        "responses": StageUsage(0.5, 300, 100, 10),
    },
    passing=2.0,
    rows=0.25,
    row_tokens=450,
)


def test_the_arithmetic_is_that_by_hand():
    plan = estimate_run("m", 10**9, 1000, ONE, Hardware(2, 100.0, 3.0), training_hours=1.0, utilisation=0.5)
    assert (plan.requests, plan.samples, plan.programs, plan.passing, plan.rows) == (
        2000,
        6500,
        5000,
        2000,
        250,
    )
    assert (plan.prompt_tokens, plan.completion_tokens) == (350_000, 70_000)
    hours = 2 * 1e9 * 420_000 / (2 * 100e12 * 0.5) / 3600
    assert plan.generation_hours == pytest.approx(hours)
    assert plan.money == pytest.approx((hours + 1.0) * 2 * 3.0)


def test_half_the_samples_are_half_the_programs_and_not_half_the_prompts():
    plan = estimate_run("m", 10**9, 1000, ONE, Hardware(1, 100.0), samples=5)
    assert (plan.programs, plan.prompt_tokens, plan.completion_tokens) == (2500, 350_000, 45_000)
    assert plan.money is None


def test_a_measured_pace_replaces_the_arithmetic():
    plan = estimate_run("m", 10**9, 1000, ONE, Hardware(1, 100.0), tokens_per_s=70_000 / 3600)
    assert plan.generation_hours == pytest.approx(1.0)


def test_published_hours_are_met_to_a_factor_of_three():
    machine = Hardware(4, 312)
    shares = [implied_utilisation(b * 1e9, hours, PUBLISHED, machine) for _, b, hours, _ in PUBLISHED_HOURS]
    assert all(0.2 / 3 < share < 0.2 * 3 for share in shares), shares


@pytest.fixture
def run(tmp_path):
    for stage in STAGES:
        for shard, answers in (("0000", 3), ("0001", 0)):
            write_json(
                tmp_path / stage / "metrics" / f"{shard}.json",
                {
                    "seconds": 2.0,
                    "answers": answers,
                    "from_cache": 3 - answers,
                    "prompt_tokens": 100 * answers,
                    "completion_tokens": 10 * answers,
                    "prompt_tokens_from_cache": 100 * (3 - answers),
                    "completion_tokens_from_cache": 10 * (3 - answers),
                },
            )
            write_json(
                tmp_path / stage / "counts" / f"{shard}.json",
                {"step": stage, "in": 3, "out": 3, "dropped": {}, "extra": {"choices": 6}},
            )
    steps = [{"stage": "execution", "step": "e", "out": 12}, {"stage": "dataset", "step": "d", "out": 3}]
    write_json(tmp_path / "report/funnel.json", {"steps": steps})
    return tmp_path


def test_tokens_of_a_run_are_counted_whether_they_came_from_the_cache_or_not(run):
    usage = read_usage(run)
    assert usage.stages["responses"] == StageUsage(1.0, 100.0, 10.0, 2)
    assert (usage.passing, usage.rows) == (2.0, 0.5)
    assert usage.tokens_per_s == pytest.approx(90 / 12)


def test_metrics_of_an_earlier_version_are_refused(run):
    for path in (run / "concepts/metrics").glob("*.json"):
        old = json.loads(path.read_text())
        write_json(path, {key: value for key, value in old.items() if not key.endswith("from_cache")})
    with pytest.raises(DataError, match=r"concepts/metrics: expected 'from_cache', found none"):
        read_usage(run)


def test_a_directory_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(DataError, match="is this the directory of a run"):
        read_usage(tmp_path)


def test_the_command_plans_by_the_run_and_for_several_models(run):
    arguments = [
        "plan",
        "--run",
        str(run),
        "--seeds",
        "100",
        "--model",
        "1b",
        "--model",
        "2b",
        "--price",
        "2",
        "--json",
    ]
    done = CliRunner().invoke(build_app(), arguments)
    found = json.loads(done.stdout)
    first, second = found["plans"]
    assert found["tokens"] == f"counted in {run}"
    assert (first["parameters"], second["parameters"]) == (10**9, 2 * 10**9)
    # Three times the responses of that run: the configuration's 6 instead of 2.
    assert first["programs"] == second["programs"] == 600
    assert first["completion_tokens"] == 100 * (10 + 10 + 30)


def test_the_published_plan_stands_beside_the_papers_hours():
    done = CliRunner().invoke(build_app(), ["plan", "published", "--json"])
    rows = {row["model"]: row for row in json.loads(done.stdout)}
    assert rows["StarCoder2-15B"]["published_generation_hours"] == 12
    assert rows["StarCoder2-15B"]["published_tuning_hours"] == 2.5
    assert 6 < rows["StarCoder2-15B"]["generation_hours"] < 24
