"""Preferences within a build: from the matrix to the scores of the model trained on pairs."""

from __future__ import annotations

import pytest
from tests.workflow.flow import since

from selfalign.core.hashing import file_sha256
from selfalign.core.jsonl import read_json, read_jsonl, write_jsonl

pytestmark = [pytest.mark.workflow, pytest.mark.timeout(900)]

MATRIX = {"execution": {"matrix": {"enabled": True}}}
PREFERENCES = {**MATRIX, "preferences": {"enabled": True, "max_steps": 2, "learning_rate": 1e-3}}
SHARDS = [f"execution/matrix/{shard}.jsonl" for shard in ("0000", "0001")]
RULES = {"preferences", "preferences_card", "prefer", "preferred_model_card"}


def disagreeing(matrix):
    """Return a matrix in which only the first implementation passes the tests, and two responses wrote it.

    The canned responses have wrong tests, but no wrong implementation.
    """
    first, *others = matrix["implementations"]
    if len(first) < 2 or not others:
        return matrix
    verdicts = [["passed" for _ in matrix["tests"]]] * 2 + [["assertion" for _ in matrix["tests"]]] * len(
        others
    )
    return {**matrix, "implementations": [first[:1], first[1:], *others], "verdicts": verdicts}


@pytest.fixture(scope="module")
def build(finished, tmp_path_factory):
    """The tiny build, continued with pairs from a matrix with failing implementations, and the training on them."""
    copy = finished.copy(tmp_path_factory.mktemp("preferences") / "copy")
    targets = [f"results/tiny/{each}" for each in SHARDS]
    done = copy.snakemake(*targets, config=MATRIX)
    assert done.returncode == 0, done.stdout[-6000:]
    for each in SHARDS:
        write_jsonl(copy.result(each), [disagreeing(row) for row in read_jsonl(copy.result(each))])
    done = copy.snakemake(config=PREFERENCES)
    assert done.returncode == 0, done.stdout[-6000:]
    return copy


def test_preferences_rerun_nothing_before_them(finished, build):
    assert finished.stale_rules(PREFERENCES) == {
        *("matrix", "benchmark_samples", "benchmark_score"),
        *RULES,
        *since("funnel", "scores"),
    }
    assert build.stale_rules(PREFERENCES) == set()
    changed = {**PREFERENCES, "preferences": {**PREFERENCES["preferences"], "beta": 0.5}}
    scored = {"prefer", "preferred_model_card", *since("benchmark_samples")}
    assert build.stale_rules(changed) == scored
    several = {**PREFERENCES, "preferences": {**PREFERENCES["preferences"], "max_pairs_per_instruction": 2}}
    assert build.stale_rules(several) == {*RULES, *scored, *since("funnel")}


def test_every_pair_is_of_a_row_and_of_responses_that_differ_in_the_matrix(build):
    rows = {row["index"]: row for row in read_jsonl(build.result("dataset/train.jsonl"))}
    pairs = list(read_jsonl(build.result("preferences/train.jsonl")))
    assert pairs
    matrices = {row["index"]: row for each in SHARDS for row in read_jsonl(build.result(each))}
    for pair in pairs:
        row, matrix = rows[pair["index"]], matrices[pair["index"]]
        assert (pair["instruction"], pair["chosen"]) == (row["instruction"], row["response"])
        assert pair["rejected"] != pair["chosen"]
        assert "[Implementation]" not in pair["rejected"]
        fact = pair["lineage"]["preference"]
        assert fact["chosen"] == f"{row['index']}.{row['lineage']['sample']['number']}"
        assert any(fact["rejected"] in names for names in matrix["implementations"][2:])
    counts = read_json(build.result("preferences/counts/pairs.json"))
    assert (counts["in"], counts["out"]) == (len(rows), len(pairs))
    assert counts["in"] == counts["extra"]["instructions"] + sum(counts["dropped"].values())


def test_the_model_is_scored_beside_the_others(build):
    summary = read_json(build.result("scores/summary.json"))
    assert {score["model"] for score in summary["scores"]} == {"base", "tuned", "preferred"}
    assert [(each["first"], each["second"]) for each in summary["comparisons"]] == [
        ("base", "tuned"),
        ("tuned", "preferred"),
        ("base", "preferred"),
    ]
    assert [each["headline"] for each in summary["comparisons"]] == [True, False, False]
    tuned, preferred = (
        read_json(build.result(f"model/{name}/selfalign.json")) for name in ("tuned", "preferred")
    )
    assert preferred["base"] == tuned["identity"]
    assert preferred["dataset_sha256"] == file_sha256(build.result("preferences/train.jsonl"))
    assert preferred["identity"] != tuned["identity"]
    card = build.result("model/preferred.README.md").read_text()
    assert "the preferred model differs by" in card
    assert "Not available yet" not in card


def test_report_and_provenance_have_the_preferences(build):
    pairs = list(read_jsonl(build.result("preferences/train.jsonl")))
    page = build.result("report/index.html").read_text()
    assert '<h2 id="preferences">' in page
    assert f"{len(pairs)} pairs of a chosen and a rejected response" in page
    provenance = read_json(build.result("report/provenance.json"))
    assert provenance["models"]["preferred"]["identity"]
    assert {"preferences/train.jsonl", "model/preferred/model.safetensors"} <= provenance["artifacts"].keys()
    lines = build.result("preferences/SHA256SUMS").read_text().splitlines()
    for line in lines:
        sha256, name = line.split()
        assert file_sha256(build.result(f"preferences/{name}")) == sha256
    assert [line.split()[1] for line in lines] == ["train.jsonl", "train.parquet", "README.md"]
