"""The scores of a training's checkpoints: configuration, list and table."""

from __future__ import annotations

import pytest

from selfalign.core.config import load_config, with_preset
from selfalign.core.errors import ConfigError, DataError
from selfalign.core.jsonl import read_jsonl, write_json, write_jsonl
from selfalign.evaluate.checkpoint_scores import list_checkpoints, write_checkpoint_scores


def training_with(tmp_path, steps, kept):
    write_jsonl(tmp_path / "metrics.jsonl", [{"step": n, "epoch": n / 4} for n in range(1, steps + 1)])
    for step in kept:
        (tmp_path / f"kept/step-{step}").mkdir(parents=True)
    return tmp_path / "kept", tmp_path / "metrics.jsonl", tmp_path / "steps.jsonl"


def test_checkpoints_are_listed_by_step_and_the_last_one_is_the_end(tmp_path):
    paths = training_with(tmp_path, 12, [10, 4, 8])
    list_checkpoints(*paths)
    assert list(read_jsonl(paths[-1])) == [
        {"step": 4, "epoch": 1.0, "last": False},
        {"step": 8, "epoch": 2.0, "last": False},
        {"step": 10, "epoch": 2.5, "last": False},
        {"step": 12, "epoch": 3.0, "last": True},
    ]


@pytest.mark.parametrize("step", [12, 13])
def test_a_checkpoint_of_another_training_is_refused(tmp_path, step):
    with pytest.raises(DataError, match=rf"before the last one \(12\), found step {step}"):
        list_checkpoints(*training_with(tmp_path, 12, [4, step]))


def test_the_table_has_a_row_for_each_checkpoint_layout_benchmark_and_metric(tmp_path):
    write_jsonl(
        tmp_path / "steps.jsonl",
        [{"step": 4, "epoch": 1.0, "last": False}, {"step": 8, "epoch": 2.0, "last": True}],
    )
    one = {"pass@1": {"value": 0.5, "interval": [0.1, 0.9], "correct": 2}}
    several = {name: {"value": 0.25, "interval": [0.0, 0.5]} for name in ("pass@1", "pass@10")}
    scores = []
    for number, metrics in enumerate([one, several] * 2):
        scores.append(tmp_path / f"{number}.json")
        write_json(scores[-1], {"title": f"T{number % 2}", "n": 4, "metrics": metrics})
    scored = [("own", "humaneval"), ("plain", "mbpp")]
    write_checkpoint_scores(tmp_path / "steps.jsonl", scores, tmp_path / "table.jsonl", scored=scored)
    rows = list(read_jsonl(tmp_path / "table.jsonl"))
    assert rows[0] == {
        "step": 4,
        "epoch": 1.0,
        "layout": "own",
        "benchmark": "humaneval",
        "title": "T0",
        "metric": "pass@1",
        "n": 4,
        "passed": 2,
        "value": 0.5,
        "interval": [0.1, 0.9],
    }
    assert [(row["step"], row["layout"], row["metric"], row["passed"]) for row in rows] == [
        (4, "own", "pass@1", 2),
        (4, "plain", "pass@1", None),
        (4, "plain", "pass@10", None),
        (8, "own", "pass@1", 2),
        (8, "plain", "pass@1", None),
        (8, "plain", "pass@10", None),
    ]


EPOCHS = {"evaluation": {"checkpoints": "each_epoch"}, "training": {"num_train_epochs": 2}}
ALL = {"evaluation": {"checkpoints": "all"}}


@pytest.mark.parametrize("value", [EPOCHS, ALL, {**ALL, "training": {"max_steps": 3, "save_steps": 2}}])
def test_checkpoints_that_can_be_scored_are_accepted_and_not_those_of_another_model(root, value):
    config = load_config(value)
    assert config.evaluation.checkpoints == value["evaluation"]["checkpoints"]
    released = with_preset(config.model_dump(), root / "presets/released-model.yaml")
    assert released.evaluation.checkpoints == "last"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            {**EPOCHS, "training": {"num_train_epochs": 1}},
            "no epoch ends before the training; expected more than 1",
        ),
        (
            {**EPOCHS, "training": {"num_train_epochs": 4, "max_steps": 9}},
            "the number of epochs is not known",
        ),
        ({**ALL, "training": {"max_steps": 9, "save_steps": 9}}, "no checkpoint precedes the last one"),
        ({**ALL, "server": {"kind": "external", "endpoints": ["http://h/v1"]}}, "external cannot be given"),
        (
            {"evaluation": {"checkpoints": "all", "layouts": {"tuned": []}}},
            r"'evaluation\.layouts\.tuned' is \[\]; expected a layout",
        ),
        ({**ALL, "rounds": 2}, "'rounds' is 2; expected 1"),
        ({"evaluation": {"checkpoints": "first"}}, "expected 'last', 'all' or 'each_epoch'"),
    ],
)
def test_checkpoints_that_cannot_be_scored_are_refused_in_one_line(value, message):
    with pytest.raises(ConfigError, match=message) as error:
        load_config(value)
    assert "\n" not in str(error.value)
