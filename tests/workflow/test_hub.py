"""A build whose model and seeds lie on a hub, at branches: resolved once, recorded, reused until asked otherwise."""

from __future__ import annotations

import io
import json
from unittest.mock import ANY

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from tests.evaluate.own_records import EXECUTIONS
from tests.hub_server import TOKEN, running_hub
from tests.tiny import write_tiny_checkpoint
from tests.workflow.flow import since
from tests.workflow.harness import Build, tiny_config, working_copy

from selfalign.core.jsonl import read_json, read_jsonl

pytestmark = [pytest.mark.workflow, pytest.mark.timeout(1500)]

MODEL, SEEDS = "me/tiny", "me/seeds"
UNIT = "data_seeds-00001-of-00002.jsonl"
RECORDS = {"model": "model--me--tiny@main.json", "dataset": "dataset--me--seeds@main.json"}
WORDS = (
    "area of a square", "sum of two lists", "largest entry seen", "reverse order copy", "words in upper case",
    "count of the vowels", "length without spaces", "product over factors", "mean of measurements",
)  # fmt: skip


def seeds(words):
    rows = []
    for number, phrase in enumerate(words):
        name = phrase.replace(" ", "_")
        body = f'def {name}(value):\n    """Return the {phrase}, for tasks of kind {number}."""\n    return [value, {number}]\n'
        rows.append(json.dumps({"content": body}))
    return "\n".join(rows).encode() + b"\n"


@pytest.fixture(scope="module")
def hub():
    with running_hub() as server:
        yield server


@pytest.fixture(scope="module")
def made(hub, tmp_path_factory):
    """The build and the commits it found."""
    directory = working_copy(tmp_path_factory.mktemp("hub"))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in hub.environment(directory / "hf", token=TOKEN).items():
            patch.setenv(name, value)
        checkpoint = write_tiny_checkpoint(tmp_path_factory.mktemp("tiny") / "model")
        commits = {
            "model": hub.commit_directory("models", MODEL, checkpoint),
            "dataset": hub.commit(
                "datasets", SEEDS, {f"data/seeds-0000{n}-of-00002.jsonl": seeds(WORDS[n::2]) for n in (0, 1)}
            ),
        }
        hub.repositories["datasets", SEEDS].gated = True
        config = tiny_config()
        config["model"] = {"source": "hub", "id": MODEL, "revision": None}
        config["seeds"]["sources"] = {
            "kind": "hub",
            "dataset": SEEDS,
            "files": ["data/seeds-{00000..00001}-of-00002.jsonl"],
        }
        build = Build(directory, config)
        planned = build.stale_rules()
        assert "resolve_revision" in planned
        assert hub.log == [], "planning is to leave the network alone"
        done = build.snakemake()
        assert done.returncode == 0, done.stdout[-6000:]
        yield build, commits


def record(build, kind):
    return read_json(build.directory / "resources/revisions" / RECORDS[kind])


def test_everything_carries_the_commits(made, hub):
    build, commits = made
    for kind, name in (("model", MODEL), ("dataset", SEEDS)):
        assert record(build, kind) == {
            "kind": kind,
            "id": name,
            "revision": "main",
            "commit": commits[kind],
            "endpoint": hub.url,
        }
    card = read_json(build.result("model/base/selfalign.json"))
    assert (card["source"], card["revision"]) == (f"hub:{MODEL}", commits["model"])
    lineages = [row["lineage"]["seed"] for row in read_jsonl(build.result("dataset/train.jsonl"))]
    assert lineages
    assert {lineage["revision"] for lineage in lineages} == {commits["dataset"]}
    provenance = read_json(build.result("report/provenance.json"))
    assert [each["commit"] for each in provenance["revisions"]] == [commits["model"], commits["dataset"]]
    assert provenance["configuration"]["model"]["revision"] == commits["model"]
    assert provenance["configuration"]["seeds"]["sources"]["revision"] == commits["dataset"]
    cache = b"".join(
        p.read_bytes() for p in (build.directory / "results/completion_cache").rglob("*") if p.is_file()
    )
    assert f"{MODEL}@main".encode() not in cache


def force(build):
    return build.snakemake("--forcerun", "resolve_revision", "--until", "resolve_revision")


def test_a_branch_that_moves_changes_nothing_until_it_is_asked_for(made, hub, tmp_path):
    build, commits = made
    build = build.copy(tmp_path / "copy")
    hub.log.clear()
    assert build.stale_rules() == set()
    done = force(build)
    assert done.returncode == 0, done.stdout[-3000:]
    assert len(hub.requests("/revision/main")) == 2
    assert build.stale_rules() == set(), "the same commits again"

    moved = hub.commit("datasets", SEEDS, {"data/seeds-00001-of-00002.jsonl": seeds(["difference of pairs"])})
    try:
        assert build.stale_rules() == set()
        hub.status = 418
        done = force(build)
        hub.status = None
        assert done.returncode == 1
        assert "Traceback" not in done.stdout
        assert f"selfalign: error: the hub {hub.url} failed" in done.stdout
        assert record(build, "dataset")["commit"] == commits["dataset"], "what was known is kept"
        assert build.stale_rules() == set()

        assert force(build).returncode == 0
        assert record(build, "dataset")["commit"] == moved
        assert record(build, "model")["commit"] == commits["model"]
        assert build.stale_rules() == since("collect_functions", "provenance")
        target = f"results/tiny/seeds/functions/{UNIT}.jsonl"
        done = build.snakemake(more=("--", target))
        assert done.returncode == 0, done.stdout[-3000:]
        [row] = read_jsonl(build.directory / target)
        assert row["lineage"]["seed"]["revision"] == moved
    finally:
        hub.status = None
        hub.repositories["datasets", SEEDS].branches["main"] = commits["dataset"]


def test_another_commit_of_the_model_reruns_what_it_makes(made, hub, tmp_path):
    build, commits = made
    build = build.copy(tmp_path / "copy")
    moved = hub.commit("models", MODEL, {"NOTES.txt": b"new"})
    try:
        assert force(build).returncode == 0
    finally:
        hub.repositories["models", MODEL].branches["main"] = commits["model"]
    assert record(build, "model")["commit"] == moved
    assert build.stale_rules() == since("base_model", "provenance")


def test_a_commit_in_the_configuration_is_taken_as_it_is(made, hub, tmp_path):
    build, commits = made
    fresh = Build(
        working_copy(tmp_path),
        {**build.config, "model": {"source": "hub", "id": MODEL, "revision": commits["model"]}},
    )
    target = "results/tiny/model/base"
    planned = fresh.snakemake("--dry-run", more=("--", target)).stdout
    assert "base_model" in planned
    assert "resolve_revision" not in planned
    hub.log.clear()
    done = fresh.snakemake(more=("--", target), config={"model": {"revision": "0" * 40}})
    assert done.returncode == 1
    assert f"selfalign: error: model '{MODEL}' has no revision '{'0' * 40}'" in done.stdout
    assert hub.requests("/revision/") == []


def test_a_server_elsewhere_is_known_by_the_commit(made, tmp_path, start_double):
    build, commits = made
    build = build.copy(tmp_path / "copy")
    target = "results/tiny/concepts/shards/0000.jsonl"

    def ask(revision):
        url = start_double("--model", "base", "--revision", revision)
        over = {"server": {"kind": "external", "endpoints": [url]}, "generation": {"seed": 5}}
        return build.snakemake(config=over, more=("--", target))

    done = ask("0" * 40)
    assert done.returncode == 1
    assert f"another revision of the model: expected {commits['model']}, found {'0' * 40}" in done.stdout
    done = ask(commits["model"])
    assert done.returncode == 0, done.stdout[-3000:]


def test_the_released_model_is_resolved_too(made, tmp_path):
    _, commits = made
    fresh = Build(working_copy(tmp_path), tiny_config())
    preset = {"run": "other", "model": {"source": "hub", "id": MODEL, "revision": "main"}}
    preset["evaluation"] = {"benchmarks": [{"name": "humaneval"}]}
    (fresh.directory / "presets/released-model.yaml").write_text(yaml.safe_dump(preset))
    (fresh.directory / "tiny-model").mkdir()
    done = fresh.snakemake(more=("--", "resources/models/released/base"))
    assert done.returncode == 0, done.stdout[-3000:]
    assert (
        read_json(fresh.directory / "resources/models/released/base/selfalign.json")["revision"]
        == commits["model"]
    )


def test_a_table_of_a_benchmark_is_fetched_at_the_resolved_commit_and_scored(made, hub, tmp_path):
    _, commits = made
    table = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(EXECUTIONS), table)
    files = {"data/test-00000-of-00001.parquet": table.getvalue()}
    commit = hub.commit("datasets", "livecodebench/execution-v2", files)
    config = tiny_config()
    config["model"] = {"source": "hub", "id": MODEL, "revision": commits["model"]}
    config["evaluation"] = {
        "benchmarks": [{"name": "livecodebench_execution", "n": 2, "max_new_tokens": 8}],
        "layouts": {"base": ["plain"], "tuned": ["plain"]},
    }
    fresh = Build(working_copy(tmp_path), config)
    target = "results/tiny/scores/base/plain/livecodebench_execution/score.json"
    done = fresh.snakemake(more=("--", target))
    assert done.returncode == 1
    assert "LiveCodeBench (code execution) v2: expected 479 tasks, found 2" in done.stdout
    assert "Traceback" not in done.stdout
    fetched = fresh.directory / "resources/benchmarks/livecodebench_execution/execution-v2.jsonl"
    assert list(read_jsonl(fetched)) == EXECUTIONS
    assert read_json(
        fresh.directory / "resources/revisions/dataset--livecodebench--execution-v2@main.json"
    ) == {
        "kind": "dataset",
        "id": "livecodebench/execution-v2",
        "revision": "main",
        "commit": commit,
        "endpoint": ANY,
    }

    # The number of tasks is that of the published table; ours has two.
    definition = fresh.directory / "src/selfalign/benchmarks/definitions/livecodebench_execution.yaml"
    definition.write_text(definition.read_text().replace("tasks: 479", "tasks: 2"))
    done = fresh.snakemake(more=("--", target))
    assert done.returncode == 0, done.stdout[-3000:]
    score = read_json(fresh.directory / target)
    assert (score["n"], score["samples_per_task"]) == (2, 2)
