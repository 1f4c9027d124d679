"""The benchmark that the run makes of held-out instructions, from the rows to the scores."""

from __future__ import annotations

import json

import pytest
from tests.workflow.flow import since

from selfalign.core.hashing import file_sha256
from selfalign.core.jsonl import read_json, read_jsonl

pytestmark = [pytest.mark.workflow, pytest.mark.timeout(1800)]


def with_share(share, **settings):
    return {
        "curation": {"self_tests": {"share": share, **settings}},
        "evaluation": {"benchmarks": [{"name": "self_tests"}]},
    }


# Holds out three of the six rows, in two clusters.
SHARE = 0.7


@pytest.fixture(scope="module")
def build(finished, tmp_path_factory):
    """The tiny build, continued with held-out instructions and scored on them alone."""
    copy = finished.copy(tmp_path_factory.mktemp("self_tests") / "copy")
    done = copy.snakemake(config=with_share(SHARE))
    assert done.returncode == 0, done.stdout[-6000:]
    return copy


def rows(build, path):
    return list(read_jsonl(build.result(path)))


def test_a_held_out_instruction_is_a_task_or_dropped_and_never_trained_on(build):
    before = rows(build, "dataset/decontaminate.jsonl")
    held, train = rows(build, "dataset/dropped/hold_out.jsonl"), rows(build, "dataset/train.jsonl")
    assert len(held) + len(train) == len(before)
    assert train
    tasks, dropped = rows(build, "self_tests/tasks.jsonl"), rows(build, "self_tests/dropped/tasks.jsonl")
    assert tasks
    texts = {row["instruction"].partition("\n")[0] for row in held}
    assert {row["instruction"] for row in (*tasks, *dropped)} == texts
    assert texts.isdisjoint(row["instruction"].partition("\n")[0] for row in train)


def test_both_models_are_scored_on_the_tasks(build):
    tasks = build.result("self_tests/tasks.jsonl")
    summary = read_json(build.result("scores/summary.json"))
    assert {score["model"] for score in summary["scores"]} == {"base", "tuned"}
    for score in summary["scores"]:
        assert (score["benchmark"], score["n"]) == ("self_tests", len(list(read_jsonl(tasks))))
        assert score["dataset"]["sha256"] == file_sha256(tasks)
    assert all("mcnemar" in each["metrics"]["pass@1"] for each in summary["comparisons"])


def test_the_funnel_the_report_and_the_provenance_have_the_new_steps(build):
    steps = {step["step"]: step for step in read_json(build.result("report/funnel.json"))["steps"]}
    held = rows(build, "dataset/dropped/hold_out.jsonl")
    assert steps["hold_out"]["dropped"] == {"held_out": len(held)}
    assert steps["tasks"]["stage"] == "self_tests"
    assert steps["tasks"]["out"] == len(rows(build, "self_tests/tasks.jsonl"))
    page = build.result("report/index.html").read_text()
    assert "<td>hold_out</td>" in page
    assert "Self-tests" in page
    provenance = json.dumps(read_json(build.result("report/provenance.json")))
    assert provenance.count("self_tests/tasks.jsonl") == 1


def test_a_changed_setting_reruns_exactly(build):
    assert build.stale_rules(with_share(SHARE)) == set()
    scored = build.stale_rules(with_share(SHARE, distinct_siblings=False))
    assert scored == since("self_tests", "dataset_card")
    assert build.stale_rules(with_share(SHARE + 0.1)) == since("hold_out", "dataset_card")


def test_no_tasks_are_said_in_one_line(finished, tmp_path):
    build = finished.copy(tmp_path / "copy")
    samples = build.result("scores/base/plain/self_tests/samples.jsonl")
    done = build.snakemake(str(samples.relative_to(build.directory)), config=with_share(1e-9))
    assert done.returncode != 0
    assert "Self-tests: expected at least one task, found none" in done.stdout
    assert "Traceback" not in done.stdout


@pytest.mark.soak
def test_a_learning_curve_is_trained_scored_and_shown(build, tmp_path):
    curve = {"instructions": [1, 0], "learning_rates": [2e-5], "responses": ["one", "all"]}
    copy = build.copy(tmp_path / "copy")
    config = {**with_share(SHARE), "learning_curve": curve}
    config["training"] = {"min_rows": 1}
    done = copy.snakemake(config=config)
    assert done.returncode == 0, done.stdout[-6000:]
    made = read_json(copy.result("learning_curve/curve.json"))
    trained = len(rows(copy, "dataset/train.jsonl"))
    assert made["n"] == len(rows(copy, "self_tests/tasks.jsonl"))
    assert [(each["responses"], each["instructions"]) for each in made["points"]] == [
        ("one", 1),
        ("one", trained),
        ("all", 1),
        ("all", trained),
    ]
    for point in made["points"]:
        assert point["rows"] >= point["instructions"]
        assert (
            sum(point["mcnemar"][key] for key in ("only_first", "only_second", "both", "neither"))
            == made["n"]
        )
    # all rows of the data set: the tuned model of the run
    tuned = next(s for s in read_json(copy.result("scores/summary.json"))["scores"] if s["model"] == "tuned")
    assert made["points"][1]["value"] == tuned["metrics"]["pass@1"]["value"]
    assert not any(copy.result("learning_curve/models").glob("*/config.json")), "models are temporary"
    assert "Learning curve" in copy.result("report/index.html").read_text()
    assert copy.stale_rules(config) == set()


@pytest.mark.soak
def test_every_checkpoint_is_scored_and_shown(build, tmp_path):
    """At the end of each epoch; the last one is the tuned model, which is not scored twice."""
    copy = build.copy(tmp_path / "copy")
    recipe = {"num_train_epochs": 2, "max_steps": -1, "save_steps": 1}
    config = {**with_share(SHARE), "training": recipe}
    config["evaluation"] = {**config["evaluation"], "checkpoints": "each_epoch"}
    done = copy.snakemake(config=config)
    assert done.returncode == 0, done.stdout[-6000:]
    steps = rows(copy, "scores/checkpoints/steps.jsonl")
    assert [(each["epoch"], each["last"]) for each in steps] == [(1, False), (2, True)]
    table = rows(copy, "scores/checkpoints.jsonl")
    assert [(each["step"], each["epoch"], each["benchmark"]) for each in table] == [
        (each["step"], each["epoch"], "self_tests") for each in steps
    ]
    summary = read_json(copy.result("scores/summary.json"))
    (tuned,) = (score for score in summary["scores"] if score["model"] == "tuned")
    assert (table[-1]["n"], table[-1]["value"], table[-1]["passed"]) == (
        tuned["n"],
        tuned["metrics"]["pass@1"]["value"],
        tuned["metrics"]["pass@1"]["correct"],
    )
    scored = [path.name for path in copy.result("scores/checkpoints").glob("step-*")]
    assert scored == [f"step-{steps[0]['step']}"]
    identities = {
        read_json(copy.result(path) / "selfalign.json")["identity"]
        for path in ("model/tuned", f"model/checkpoints/each_epoch/step-{steps[0]['step']}")
    }
    assert len(identities) == 2
    page = copy.result("report/index.html").read_text()
    assert "<h3>Checkpoints</h3>" in page
    assert "self_tests pass@1, own" in page
    assert copy.stale_rules(config) == set()

    config["evaluation"] = {**config["evaluation"], "checkpoints": "last"}
    assert copy.stale_rules(config) == {"provenance", "report"}, "they no longer have its table"
    config["evaluation"] = {**config["evaluation"], "checkpoints": "all"}
    assert copy.stale_rules(config) == {*since("train"), "checkpoint_steps", "checkpoint_scores"}
