"""Runs that start at a later stage: which rules they have, and a whole one with rows from a hub."""

from __future__ import annotations

import pytest
from tests.hub_server import running_hub
from tests.tiny import write_tiny_checkpoint
from tests.vectors import VECTORS
from tests.workflow.harness import Build, tiny_config, working_copy

from selfalign.core.jsonl import read_json, read_jsonl, write_jsonl

pytestmark = [pytest.mark.workflow, pytest.mark.timeout(1500)]

ROWS = "me/rows"
BEFORE = {
    *("fetch_package", "collect_functions", "deduplicate_functions", "check_functions", "seed_pool"),
    *("seed_shard", "seed_statistics"),
}
GENERATION = ["concepts", "instructions", "filter_instructions", "responses", "execute", "sanitize_raw"]
AFTER = {
    *("base_model", "select", "decontaminate", "dataset", "dataset_card", "train", "benchmark_samples"),
    *(
        "program_environment",
        "references",
        "benchmark_score",
        "scores",
        "model_card",
        "funnel",
        "provenance",
        "report",
    ),
}
QUIET = {
    "self_tests": {"share": 0.0},
    "quality": {"complete_code": False, "asserting_tests": False, "nontrivial_tests": False},
}


def started(stage, dataset, **settings):
    """Return a configuration that starts at a stage."""
    config = tiny_config()
    config["start"] = {"stage": stage, "dataset": dataset, "count": 6, **settings}
    config["curation"] = QUIET
    return config


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A working copy with a model and a directory of rows that any stage could have written."""
    directory = working_copy(tmp_path_factory.mktemp("start"))
    write_tiny_checkpoint(directory / "tiny-model")
    rows = [{"seed": "s", "concepts": ["c"], **row} for row in read_jsonl(VECTORS / "filtered.jsonl")]
    write_jsonl(directory / "rows/part.jsonl", rows[:8])
    return directory


@pytest.mark.parametrize(
    ("stage", "kept"),
    [
        ("seeds", GENERATION),
        ("concepts", GENERATION[1:]),
        ("instructions", GENERATION[2:]),
        ("responses", GENERATION[4:]),
        ("filtered", GENERATION[5:]),
        ("dataset", []),
    ],
)
def test_only_what_follows_is_planned(copy, stage, kept):
    planned = Build(copy, started(stage, "./rows")).stale_rules()
    assert not planned & BEFORE
    assert {"import_rows", "import_shard"} <= planned
    curation = {"length"} if stage == "dataset" else {"sanitize_smart"}
    assert planned == {"import_rows", "import_shard", *kept, *curation, *AFTER} | (
        planned & {"ground_truth", "download"}
    )


def test_files_that_are_not_there_are_one_line(copy):
    done = Build(copy, started("dataset", "./rows", files=["none.jsonl"])).snakemake("--dry-run")
    assert done.returncode == 1
    assert "configuration: 'start.files' names 'rows/none.jsonl'; there is no such file" in done.stdout
    assert "Traceback" not in done.stdout


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A whole run with the final rows of a data set on a hub, and the commit of these."""
    directory = working_copy(tmp_path_factory.mktemp("dataset"))
    write_tiny_checkpoint(directory / "tiny-model")
    rows = [
        {"prompt": row["instruction"], "answer": row["response"], "id": number}
        for number, row in enumerate(read_jsonl(VECTORS / "final.jsonl"))
    ]
    write_jsonl(directory / "rows.jsonl", [*rows, rows[0]])
    with running_hub() as hub, pytest.MonkeyPatch.context() as patch:
        for name, value in hub.environment(directory / "hf").items():
            patch.setenv(name, value)
        files = {"data/train.jsonl": (directory / "rows.jsonl").read_bytes(), "README.md": b"a card"}
        commit = hub.commit("datasets", ROWS, files)
        names = {"prompt": "instruction", "answer": "response"}
        build = Build(directory, started("dataset", ROWS, rename=names, count=len(rows) + 1))
        done = build.snakemake()
        assert done.returncode == 0, done.stdout[-6000:]
        yield build, commit, rows


def test_a_published_data_set_is_selected_trained_on_and_scored(made):
    build, commit, rows = made
    trained = list(read_jsonl(build.result("dataset/train.jsonl")))
    assert {row["instruction"] for row in trained} == {row["prompt"] for row in rows}
    assert {row["response"] for row in trained} == {row["answer"] for row in rows}
    for row in trained:
        source = row["lineage"]["import"]
        assert (source["dataset"], source["revision"], source["file"]) == (ROWS, commit, "data/train.jsonl")
        assert rows[source["record"]]["id"] == row["id"]
    steps = read_json(build.result("report/funnel.json"))["steps"]
    assert [(step["stage"], step["step"]) for step in steps] == [
        ("start", "import"),
        ("dataset", "length"),
        ("dataset", "select"),
        ("dataset", "decontaminate"),
    ]
    assert steps[0]["in"] == steps[1]["in"] == len(rows) + 1
    assert sum(steps[2]["dropped"].values()) == 1, "the repeated row"
    assert {score["model"] for score in read_json(build.result("scores/summary.json"))["scores"]} == {
        "base",
        "tuned",
    }


def test_its_provenance_card_and_report_say_where_the_rows_come_from(made):
    build, commit, _ = made
    provenance = read_json(build.result("report/provenance.json"))
    assert [each["commit"] for each in provenance["revisions"]] == [commit]
    assert provenance["configuration"]["start"]["revision"] == commit
    assert "start/rows.jsonl" in provenance["artifacts"]
    assert not any(name.startswith(("seeds/", "responses/")) for name in provenance["artifacts"])
    card = build.result("dataset/README.md").read_text()
    assert f"was imported with its row of `{ROWS}`" in card
    assert "No statistics." in build.result("report/index.html").read_text()
    assert build.stale_rules() == set()


def test_more_rows_only_add_shards(made, tmp_path):
    build = made[0].copy(tmp_path / "copy")
    config = {"start": {"count": 3}}
    stale = build.stale_rules(config)
    assert "import_rows" not in stale
    assert "length" in stale
