"""The whole build on a tiny configuration, against the test server."""

import json

import pytest
from tests.workflow.harness import ROOT, TASKS

pytestmark = [pytest.mark.workflow, pytest.mark.timeout(900)]

ARTIFACTS = (
    "model/base/config.json",
    "seeds/pool.jsonl",
    "seeds/shards/0001.jsonl",
    "concepts/shards/0000.jsonl",
    "instructions/shards/0001.jsonl",
    "responses/shards/0000.jsonl",
    "execution/shards/0001.jsonl",
    "execution/verdicts/0000.jsonl",
    "dataset/train.jsonl",
    "dataset/train.parquet",
    "dataset/README.md",
    "model/tuned/config.json",
    "scores/base/own/humaneval/verdicts.jsonl",
    "scores/tuned/own/humaneval/score.json",
    "scores/summary.json",
    "model/README.md",
    "report/funnel.json",
    "report/index.html",
)


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("path", ARTIFACTS)
def test_artifact_is_built(finished, path):
    assert finished.result(path).stat().st_size > 0


def test_nothing_is_left_to_do(finished):
    assert finished.stale_rules() == set()


def test_every_final_row_tells_where_it_comes_from(finished):
    final = rows(finished.result("dataset/train.jsonl"))
    assert final
    for row in final:
        lineage = row["lineage"]
        assert lineage["seed"]["package"] == "toolz"
        assert lineage["seed"]["license"]
        assert lineage["execution"]["status"] == "passed"
        assert lineage["transformations"][0] == "sanitize:raw"


def test_the_funnel_accounts_for_every_row(finished):
    steps = json.loads(finished.result("report/funnel.json").read_text())["steps"]
    assert all(step["in"] == step["out"] + sum(step["dropped"].values()) for step in steps)
    assert steps[-1]["out"] == len(rows(finished.result("dataset/train.jsonl")))


def test_scores_are_of_all_tasks(finished):
    scores = json.loads(finished.result("scores/summary.json").read_text())["scores"]
    assert [(score["model"], score["layout"]) for score in scores] == [
        ("base", "own"),
        ("base", "plain"),
        ("tuned", "own"),
    ]
    assert all(score["n"] == len(TASKS) for score in scores)


def test_every_job_left_a_log_and_a_benchmark(finished):
    logs = {p.relative_to(finished.result("logs")) for p in finished.result("logs").rglob("*.log")}
    measured = {
        p.relative_to(finished.result("benchmarks")) for p in finished.result("benchmarks").rglob("*.tsv")
    }
    own = {p.with_suffix("") for p in logs if p.parts[0] != "server"}
    assert {p.with_suffix("") for p in measured} <= own


def test_more_seeds_add_shards_and_leave_the_others_alone(finished):
    done = finished.snakemake("--dry-run", config={"seeds": {"count": 9}})
    assert "0002" in done.stdout
    for stage in ("seed_shard", "concepts", "instructions", "responses", "execute"):
        assert f"{stage} " in done.stdout
    for shard in ("0000", "0001"):
        assert f"output: results/tiny/responses/shards/{shard}.jsonl" not in done.stdout


def test_too_few_rows_are_said_in_one_line_and_shown_in_the_funnel(finished, tmp_path):
    build = finished.copy(tmp_path / "copy")
    page = build.result("report/unfinished.html")
    done = build.snakemake("--forcerun", "train", config={"training": {"min_rows": 100_000}})
    assert done.returncode == 1
    number = len(rows(build.result("dataset/train.jsonl")))
    assert f"expected at least 100000 rows to train on (training.min_rows), found {number}" in done.stdout
    assert "Traceback" not in done.stdout
    assert f"Report on the rows so far: {page.relative_to(build.directory)}" in done.stdout
    steps = json.loads(build.result("report/funnel.json").read_text())["steps"]
    assert all(f"<td>{step['step']}</td>" in page.read_text() for step in steps)


def everyday_commands():
    """The lines of the README that run Snakemake, with the arguments of this build."""
    text = (ROOT / "README.md").read_text().split("## Use\n", 1)[1].split("\n## ")[0]
    lines = [line.split("#")[0].split() for line in text.splitlines() if line.startswith("snakemake")]
    assert len(lines) >= 5
    return [" ".join(words[1:]) for words in lines]


@pytest.mark.parametrize(
    "arguments", dict.fromkeys([*everyday_commands(), "--rulegraph mermaid-js", "--report report.html"])
)
def test_the_everyday_commands_of_the_readme(finished, tmp_path, arguments):
    build = finished.copy(tmp_path / "copy")
    (build.directory / "mine.yaml").write_text("log_level: DEBUG\n")
    # `reproduce` would download; tests/workflow/test_reproduce.py runs it on data of our own.
    arguments = arguments.replace("--cores all", "").replace("reproduce", "reproduce --dry-run")
    extra = arguments.partition("--configfile")[2].split()
    done = build.snakemake(*arguments.partition("--configfile")[0].split(), more=extra)
    assert done.returncode == 0, done.stdout[-3000:]
    if "--rulegraph" in arguments:
        assert "benchmark_score" in done.stdout
    if "--report" in arguments:
        assert (build.directory / arguments.split()[-1]).stat().st_size > 10_000
