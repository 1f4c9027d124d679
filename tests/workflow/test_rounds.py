"""Rounds within a build: the tuned model generates the data of the next round."""

from __future__ import annotations

import copy
import json
import re
import shutil
import signal

import pytest
from tests.workflow.flow import since
from tests.workflow.test_interrupted import TIMED, hashes, interrupt

from selfalign.core.jsonl import read_json, read_jsonl

pytestmark = [pytest.mark.workflow, pytest.mark.soak, pytest.mark.timeout(900)]

TWO = {
    "rounds": 2,
    "next_round": {"max_p_value": None, "min_diversity": None},
    "curation": {"self_tests": {"share": 0.4}},
    "evaluation": {
        "benchmarks": [{"name": "self_tests", "max_new_tokens": 160}],
        "layouts": {"base": ["own"], "tuned": ["own"]},
    },
}
ONE = {**TWO, "rounds": 1}


def with_config(build, config):
    changed = copy.deepcopy(build.config)
    for key, value in config.items():
        changed[key] = {**changed[key], **value} if isinstance(changed.get(key), dict) else value
    return changed


@pytest.fixture(scope="module")
def build(finished, tmp_path_factory):
    """The tiny build, continued with two rounds."""
    made = finished.copy(tmp_path_factory.mktemp("rounds") / "copy")
    made.config = with_config(made, TWO)
    done = made.snakemake()
    assert done.returncode == 0, done.stdout[-6000:]
    return made


def untimed(build):
    """The hashes of all artifacts of all rounds that hold no times."""
    return {
        name: value
        for name, value in hashes(build).items()
        if not name.removeprefix("round-2/").startswith(TIMED) and not name.endswith("timings.jsonl")
    }


def rows(build, path):
    return list(read_jsonl(build.result(path)))


def identity(build, model):
    return read_json(build.result(f"{model}/selfalign.json"))["identity"]


def test_the_tuned_model_generates_and_the_base_model_is_trained(build):
    teacher = identity(build, "model/tuned")
    (first, *_), (second, *_) = rows(build, "dataset/train.jsonl"), rows(build, "round-2/dataset/train.jsonl")
    for stage in ("concepts", "instruction", "response"):
        assert first["lineage"][stage]["model"] == identity(build, "model/base")
        assert "round" not in first["lineage"][stage]
        assert second["lineage"][stage]["model"] == teacher
        assert second["lineage"][stage]["round"] == 2
    tuned = read_json(build.result("round-2/model/tuned/selfalign.json"))
    assert tuned["base"] == identity(build, "model/base")
    assert tuned["identity"] != teacher
    assert not build.result("round-2/model/base").exists()
    assert "tuned in round 1" in build.result("round-2/dataset/README.md").read_text()


def test_the_seeds_are_the_same_and_the_requests_are_others(build):
    for shard in ("0000", "0001"):
        first, second = (rows(build, f"{each}concepts/shards/{shard}.jsonl") for each in ("", "round-2/"))
        assert [row["seed"] for row in first] == [row["seed"] for row in second]
        seeds = [[row["lineage"]["concepts"]["request_seed"] for row in each] for each in (first, second)]
        assert not set(seeds[0]) & set(seeds[1])
    assert not build.result("round-2/seeds").exists()


def test_no_row_of_round_2_is_similar_to_a_held_out_one(build):
    held = {row["instruction"].partition("\n")[0] for row in rows(build, "dataset/dropped/hold_out.jsonl")}
    before = rows(build, "round-2/dataset/decontaminate.jsonl")
    dropped, train = (rows(build, f"round-2/dataset/{each}.jsonl") for each in ("dropped/hold_out", "train"))
    assert held
    assert len(dropped) + len(train) == len(before)
    assert {row["reason"] for row in dropped} <= {"similar_to_held_out"}
    assert held.isdisjoint(row["instruction"].partition("\n")[0] for row in train)


def test_all_rounds_are_scored_on_the_tasks_of_the_first(build):
    assert not build.result("round-2/self_tests").exists()
    score = "scores/tuned/own/self_tests/score.json"
    first, second = (read_json(build.result(f"{each}{score}")) for each in ("", "round-2/"))
    assert first["dataset"] == second["dataset"]
    table = read_json(build.result("rounds/table.json"))
    assert [each["round"] for each in table["rounds"]] == [1, 2]
    assert table["end"] == "the maximum number of rounds (2)"
    compared = [[(c["first"], c["second"]) for c in each["comparisons"]] for each in table["rounds"]]
    assert compared == [[("base", "round 1")], [("round 1", "round 2"), ("base", "round 2")]]
    assert all(each["diversity"]["distinct"] > 0 for each in table["rounds"])


def test_report_cards_and_provenance_have_both_rounds(build):
    page = build.result("report/index.html").read_text()
    assert 'id="rounds"' in page
    assert "the maximum number of rounds (2)" in page
    assert build.result("round-2/model/README.md").exists()
    artifacts = read_json(build.result("report/provenance.json"))["artifacts"]
    assert artifacts["round-2/dataset/train.jsonl"]["rule"] == "round_2_dataset"
    assert any(name.startswith("round-2/model/tuned") for name in artifacts)


def test_one_round_reruns_nothing_of_it_and_has_the_same_bytes(build, finished):
    assert build.stale_rules() == set()
    # Without the later rounds, only what covers all of them is made again.
    assert build.stale_rules(ONE) == {"provenance", "report"}
    before = hashes(finished)
    ours = hashes(build)
    same = [name for name in before if name.startswith(("seeds/", "concepts/", "responses/", "execution/"))]
    assert len(same) > 20
    assert {name: ours[name] for name in same} == {name: before[name] for name in same}


def test_a_changed_condition_or_setting_reruns_exactly(build):
    stricter = {"next_round": {"max_p_value": 0.05, "min_diversity": None}}
    # Whether round 2 is still part of the run is known after its result.
    assert build.stale_rules(stricter) == {"round_result", "rounds", "provenance", "report"}
    assert (
        build.stale_rules(
            {"next_round": {"max_p_value": None, "min_diversity": None, "prompt_template": None}}
        )
        == set()
    )
    template = "prompts/templates/selfalign.yaml"
    changed = build.stale_rules({"next_round": {**TWO["next_round"], "prompt_template": template}})
    assert {rule for rule in changed if not rule.startswith("round_2_")} <= {
        *("round_result", "rounds", "provenance", "report")
    }
    assert "round_2_concepts" in changed
    trained = build.stale_rules({"training": {"learning_rate": 1e-4}})
    assert since("train") <= trained


def test_no_gain_ends_the_rounds(build, tmp_path):
    copied = build.copy(tmp_path / "copy")
    done = copied.snakemake(config={"next_round": {"max_p_value": 0.05}})
    assert done.returncode == 0, done.stdout[-6000:]
    table = read_json(copied.result("rounds/table.json"))
    assert [each["round"] for each in table["rounds"]] == [1]
    assert table["end"].startswith("no gain on self_tests over base")
    assert "round_2" not in json.dumps(read_json(copied.result("report/provenance.json"))["artifacts"])
    assert not re.search(r"^rule round_2", done.stdout, flags=re.MULTILINE)


def test_interrupted_in_round_2_it_ends_with_the_same_bytes(build, tmp_path):
    again = build.copy(tmp_path / "copy")
    before = untimed(again)
    shutil.rmtree(again.result("round-2"))
    for log, how in (("responses/0001", signal.SIGKILL), ("train", signal.SIGINT)):
        interrupt(again, f"round-2/logs/{log}.log", how)
    assert not again.result("round-2/model/README.md").exists()
    done = again.snakemake()
    assert done.returncode == 0, done.stdout[-6000:]
    assert untimed(again) == before
