"""The plan against arithmetic by hand, against the published hours, and from a run's own counts."""

import json

import pytest
from typer.testing import CliRunner

from selfalign.cli import build_app
from selfalign.core.config import load_config
from selfalign.core.errors import ConfigError, DataError
from selfalign.core.gpus import GPUS
from selfalign.core.jsonl import write_json
from selfalign.plan.evaluation import estimate_evaluation
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


def test_rounds_multiply_the_cost_and_not_the_model():
    one = estimate_run("m", 10**9, 1000, ONE, Hardware(2, 100.0, 3.0), training_hours=1.0)
    three = one.of_rounds(3)
    assert (three.model, three.parameters, three.seeds) == ("m", 10**9, 1000)
    for name in ("requests", "completion_tokens", "programs", "rows", "disk_gib", "gpu_hours", "money"):
        assert getattr(three, name) == pytest.approx(3 * getattr(one, name)), name
    assert three.training_hours == 3.0
    assert estimate_run("m", 10**9, 1000, ONE, Hardware(1, 100.0)).of_rounds(2).money is None


def test_the_command_plans_all_rounds(tmp_path):
    many = "run: unbuilt\nevaluation: {benchmarks: [{name: self_tests}, {name: humaneval, n: 1000, temperature: 1}]}\n"
    (tmp_path / "rounds.yaml").write_text(f"rounds: 3\n{many}")
    (tmp_path / "one.yaml").write_text(many)

    def plan(*arguments):
        done = CliRunner().invoke(build_app(), ["plan", *arguments])
        assert done.exit_code == 0, done.output
        return done.output

    all_rounds, one = (
        json.loads(plan("--json", "--config", str(tmp_path / name))) for name in ("rounds.yaml", "one.yaml")
    )
    assert (all_rounds["rounds"], one.get("rounds")) == (3, None)
    assert all_rounds["plans"][0]["requests"] == 3 * one["plans"][0]["requests"]
    # A benchmark is answered by the base model once (in two layouts), and by the tuned model of each round.
    hours = [found["plans"][0]["evaluation_hours"] for found in (all_rounds, one)]
    assert hours[0] / hours[1] == pytest.approx(5 / 3, rel=0.02)
    assert "All figures are for 3 rounds" in plan("--config", str(tmp_path / "rounds.yaml"))
    all_rounds, one = (
        json.loads(plan("evaluation", "--json", "--config", str(tmp_path / name)))
        for name in ("rounds.yaml", "one.yaml")
    )
    # The base model in two layouts, and a tuned model in one.
    assert one["benchmarks"][0]["requests"] == 164 * 3
    assert all_rounds["benchmarks"][0]["requests"] == 164 * 5


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
    # Five times the responses of that run: the configuration's 10 instead of 2.
    assert first["programs"] == second["programs"] == 1000
    assert first["completion_tokens"] == 100 * (10 + 10 + 50)


def test_the_published_plan_stands_beside_the_papers_hours():
    done = CliRunner().invoke(build_app(), ["plan", "published", "--json"])
    rows = {row["model"]: row for row in json.loads(done.stdout)}
    assert rows["StarCoder2-15B"]["published_generation_hours"] == 12
    assert rows["StarCoder2-15B"]["published_tuning_hours"] == 2.5
    assert 6 < rows["StarCoder2-15B"]["generation_hours"] < 24


def test_a_later_start_costs_what_is_left_of_each_row():
    """By the published funnel: a row of a stage is one of the records that reached it."""
    assert PUBLISHED.starting_at(None) is PUBLISHED
    whole = estimate_run("m", 10**9, 248_934, PUBLISHED, Hardware(1, 100.0))
    for start, count in (
        ("seeds", 248_934),
        ("concepts", 248_934),
        ("instructions", 238_000),
        ("responses", 2_380_000),
    ):
        usage = PUBLISHED.starting_at(start)
        plan = estimate_run("m", 10**9, count, usage, Hardware(1, 100.0))
        assert list(usage.stages) == list(STAGES[["seeds", *STAGES].index(start) :])
        assert plan.programs == pytest.approx(whole.programs, rel=1e-6)
        assert (plan.passing, plan.rows) == (
            pytest.approx(500_000, rel=1e-5),
            pytest.approx(50_661, rel=1e-5),
        )
    final = estimate_run("m", 10**9, 50_661, PUBLISHED.starting_at("dataset"), Hardware(1, 100.0), samples=10)
    assert (final.requests, final.programs, final.generation_hours, final.rows) == (0, 0, 0, 50_661)
    filtered = estimate_run("m", 10**9, 500_000, PUBLISHED.starting_at("filtered"), Hardware(1, 100.0))
    assert (filtered.programs, filtered.passing, filtered.rows) == (0, 500_000, 50_661)


def test_a_run_that_starts_later_is_counted_by_the_row(tmp_path):
    steps = [
        {"stage": "start", "step": "import", "in": 50, "out": 50},
        {"stage": "dataset", "step": "length", "in": 20, "out": 18},
        {"stage": "dataset", "step": "select", "in": 18, "out": 10},
    ]
    write_json(tmp_path / "report/funnel.json", {"steps": steps})
    usage = read_usage(tmp_path)
    assert (usage.start, usage.stages, usage.rows, usage.programs) == ("dataset", {}, 0.5, 0)
    with pytest.raises(ConfigError, match="starts with dataset, the configuration with seeds of its own"):
        usage.starting_at(None)


def test_the_published_data_set_is_planned_without_generation(root):
    arguments = ["plan", "--config", str(root / "presets/published-dataset.yaml"), "--gpus", "4", "--json"]
    done = CliRunner().invoke(build_app(), arguments)
    [plan] = json.loads(done.stdout)["plans"]
    assert (plan["seeds"], plan["rows"], plan["requests"], plan["generation_hours"]) == (50_661, 50_661, 0, 0)
    assert plan["training_hours"] > 1


# Of 10 rows, 4 are a step: 3 steps.
STEPS = {"num_train_epochs": 1, "per_device_train_batch_size": 1, "gradient_accumulation_steps": 4}


@pytest.mark.parametrize(
    ("config", "checkpoints"),
    [
        ({}, 1),
        ({"evaluation": {"checkpoints": "each_epoch"}, "training": {"num_train_epochs": 2.5}}, 3),
        ({"evaluation": {"checkpoints": "all"}, "training": {"save_steps": 1, **STEPS}}, 3),
        ({"evaluation": {"checkpoints": "all"}, "training": {"save_steps": 2, **STEPS}}, 2),
        ({"evaluation": {"checkpoints": "all"}, "training": {"save_steps": 3, **STEPS}}, 1),
        ({"evaluation": {"checkpoints": "all"}, "training": {"save_steps": 1, **STEPS, "max_steps": 2}}, 2),
    ],
)
def test_each_scored_checkpoint_is_planned(config, checkpoints):
    costs = estimate_evaluation(load_config(config), 10**9, GPUS["a100-80gb"], rows=10)
    # The base model in two layouts, and each checkpoint in one.
    assert {cost.benchmark: cost.requests for cost in costs} == {"humaneval": 164 * (2 + checkpoints)}


def test_the_evaluation_of_the_released_model_is_planned_on_one_gpu(root):
    """By hand: tasks and samples as the definitions have them, one model in one layout."""
    preset = str(root / "presets/released-model.yaml")
    options = ["--gpu", "a100-80gb", "--prompt-tokens", "100", "--completion-tokens", "2000", "--json"]
    done = CliRunner().invoke(build_app(), ["plan", "evaluation", "--config", preset, *options])
    found = json.loads(done.stdout)
    costs = {each["benchmark"]: each for each in found["benchmarks"]}
    assert {name: (each["requests"], each["samples"]) for name, each in costs.items()} == {
        "humaneval_plus-v0.1.9": (164, 164),
        "humaneval_plus-v0.1.10": (164, 164),
        "mbpp_plus-v0.1.0": (399, 399),
        "mbpp_plus-v0.2.0": (378, 378),
        "evoeval": (100, 100),
        "livecodebench": (400, 400 * 10),
        # At most: those of the samples of livecodebench that fail.
        "livecodebench_repair": (400 * 10, 400 * 10),
        "livecodebench_tests": (442, 442 * 10),
        "livecodebench_execution": (479, 479 * 10),
        "ds1000": (1000, 1000 * 40),
    }
    # Completions are at most as long as the benchmark allows.
    assert (costs["ds1000"]["prompt_tokens"], costs["ds1000"]["completion_tokens"]) == (
        100_000,
        40_000 * 1024,
    )
    tokens = sum(each["prompt_tokens"] + each["completion_tokens"] for each in costs.values())
    assert found["hours"] == pytest.approx(2 * 15.958e9 * tokens / (312e12 * 0.2) / 3600, rel=1e-3)
    memory = found["memory"]
    assert memory["weights_gib"] == pytest.approx(2 * 15.958e9 / 2**30, rel=1e-3)
    # Keys and values of 40 layers with 4 heads of 128, for 8192 tokens.
    assert memory["longest_sequence_gib"] == pytest.approx(2 * 2 * 40 * 4 * 128 * 8192 / 2**30, abs=0.01)
    assert memory["fits"]
    small = CliRunner().invoke(build_app(), ["plan", "evaluation", "--config", preset, "--gpu", "rtx-4090"])
    assert "GPU memory: at least 31.8" in small.stdout
    assert "not enough" in small.stdout
