"""`snakemake reproduce` on published answers and benchmark data of our own: what runs, what is written, what is not."""

from __future__ import annotations

import re
import socket

import pytest
import yaml
from own_records import EVOEVAL
from tests.tiny import write_tiny_checkpoint
from tests.workflow.harness import Build, tiny_config, working_copy

from selfalign.core.hashing import file_sha256
from selfalign.core.jsonl import read_json, write_json, write_jsonl

pytestmark = [pytest.mark.workflow, pytest.mark.timeout(300)]

ANSWER = "def spread(values):\n    return sorted(values)[-1] - sorted(values)[0]\n"
VERSION = "creative-hub-18da99f1"


def _published(model: str) -> dict:
    return {
        "model": model,
        "benchmark": "evoeval",
        "version": VERSION,
        "samples": {"path": f"{model}.jsonl"},
        "verdicts": {"path": f"{model}.json"},
    }


def _write_data(build: Build, records: list[dict]) -> None:
    """Write records of ours as a local copy, and pin them in the working copy's definition in place of the published ones."""
    data = build.directory / f"copies/EvoEval_{VERSION}.jsonl"
    write_jsonl(data, records)
    path = build.directory / "src/selfalign/benchmarks/definitions/evoeval.yaml"
    definition = yaml.safe_load(path.read_text())
    version = definition["versions"][VERSION]
    version["tasks"] = len(records)
    version["files"][0]["sha256"] = file_sha256(data)
    path.write_text(yaml.safe_dump(definition))


@pytest.fixture
def build(tmp_path) -> Build:
    """A working copy with one task, and two models' published answers to it."""
    config = tiny_config()
    config["reproduction"] = {"published_samples": [_published("first"), _published("second")]}
    config["downloads"] = {"local": "copies"}
    build = Build(working_copy(tmp_path), config)
    (build.directory / "tiny-model").mkdir()
    # The published answers of its preset would have to be downloaded.
    _released(build, "nobody/nothing")
    _write_data(build, EVOEVAL)
    for model, solution in (("first", ANSWER), ("second", "def spread(values):\n    return 0\n")):
        write_jsonl(build.directory / f"{model}.jsonl", [{"task_id": "EvoEval/0", "solution": solution}])
        statuses = {"base_status": "pass", "plus_status": None}
        write_json(build.directory / f"{model}.json", {"eval": {"EvoEval/0": [statuses]}})
    return build


def _planned(build: Build) -> dict[str, int]:
    done = build.snakemake("reproduce", "--dry-run", "--quiet", "host")
    assert done.returncode == 0, done.stdout[-3000:]
    found = re.findall(r"^(\w+) +(\d+)$", done.stdout, flags=re.MULTILINE)
    return {rule: int(count) for rule, count in found if rule != "total"}


def test_the_ground_truth_is_made_once_for_all_models_and_again_for_other_data(build):
    done = build.snakemake("reproduce")
    assert done.returncode == 0, done.stdout[-3000:]
    jobs = re.findall(r"^\[.*\]\nFinished jobid: \d+ \(Rule: (\w+)\)", done.stdout, flags=re.MULTILINE)
    assert sorted(jobs) == [
        *("download", "ground_truth", "program_environment", "published_score", "published_score"),
        *("references", "reproduce"),
    ]
    rows = read_json(build.result("reproduce/table.json"))["rows"]
    right, wrong = rows[:2]
    assert (right["obtained"]["correct"], right["differing"]) == (1, [])
    assert (wrong["obtained"]["correct"], [each["task_id"] for each in wrong["differing"]]) == (
        0,
        ["EvoEval/0"],
    )
    assert _planned(build) == {}

    write_jsonl(
        build.directory / "second.jsonl", [{"task_id": "EvoEval/0", "solution": f"# mended\n{ANSWER}"}]
    )
    assert _planned(build) == {"published_score": 1, "reproduce": 1}
    _write_data(build, [{**EVOEVAL[0], "inputs": ["{7, 9}"]}])
    planned = {"download": 1, "ground_truth": 1, "references": 1, "published_score": 2, "reproduce": 1}
    assert _planned(build) == planned


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("first.jsonl", [{"task_id": "EvoEval/7", "solution": ""}], "has no task 'EvoEval/7'"),
        ("first.jsonl", [], f"1 of 1 tasks of EvoEval {VERSION} have no sample"),
        (
            "first.jsonl",
            [{"task_id": "EvoEval/0", "solution": ""}] * 2,
            "is repeated; it occurs first in record 1",
        ),
        ("data", EVOEVAL * 2, "task EvoEval/0 occurs twice"),
    ],
)
def test_bad_files_are_one_line_of_the_workflow_and_no_score(build, name, content, line):
    if name == "data":
        _write_data(build, content)
    else:
        write_jsonl(build.directory / name, content)
    done = build.snakemake("reproduce")
    assert done.returncode == 1
    assert "Traceback" not in done.stdout
    assert f"selfalign: error: {name}" in done.stdout or "selfalign: error: EvoEval" in done.stdout
    assert line in done.stdout
    assert not build.result("reproduce/table.json").exists()
    assert not list(build.result("reproduce").glob("first-*/*"))


def test_data_with_another_hash_than_the_pinned_are_no_score(build):
    write_jsonl(build.directory / f"copies/EvoEval_{VERSION}.jsonl", [{**EVOEVAL[0], "inputs": ["{7, 9}"]}])
    done = build.snakemake("reproduce")
    assert done.returncode == 1
    assert "Traceback" not in done.stdout
    assert "these are other data" in done.stdout
    assert not build.result("reproduce").exists() or not list(build.result("reproduce").glob("*/score.json"))


def _released(build: Build, model: str) -> None:
    """Put another model into the preset of the released one."""
    preset = {
        "run": "other",
        "model": {"source": "hub", "id": model, "revision": "0" * 40},
        "evaluation": {"benchmarks": [{"name": "evoeval", "version": VERSION}, {"name": "humaneval"}]},
    }
    (build.directory / "presets/released-model.yaml").write_text(yaml.safe_dump(preset))


def test_the_released_model_answers_too_where_it_is_asked_to(build):
    """One whose checkpoint is there already; the test server answers for it, the tasks with published answers only."""
    _released(build, "first")
    write_tiny_checkpoint(build.directory / "resources/models/released/base")
    build.config["reproduction"]["released_model"] = "always"
    done = build.snakemake("reproduce")
    assert done.returncode == 0, done.stdout[-3000:]
    assert (
        done.stdout.count("reproduce: first generates new samples: reproduction.released_model is 'always'")
        == 1
    )
    again, _, anew = read_json(build.result("reproduce/table.json"))["rows"][:3]
    assert (anew["model"], anew["how"]) == ("first", "samples generated here")
    assert anew["dataset"] == again["dataset"]
    assert anew["differing"] is not None
    assert _planned(build) == {}


def test_only_reproduce_looks_for_a_gpu(build, monkeypatch):
    _released(build, "first")
    asked = build.directory / "asked"
    command = build.directory / "bin/nvidia-smi"
    command.parent.mkdir()
    command.write_text(f"#!/bin/sh\ntouch {asked}\nexit 9\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(command.parent), prepend=":")
    done = build.snakemake("--dry-run", "--quiet", "host", "all")
    assert done.returncode == 0, done.stdout[-3000:]
    assert not asked.exists()
    planned = {"download": 1, "ground_truth": 1, "references": 1, "published_score": 2, "reproduce": 1}
    assert _planned(build) == {"program_environment": 1, **planned}
    assert asked.exists()


def test_without_a_network_one_line_names_the_address_and_the_way_out(build):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = f"http://127.0.0.1:{closed.getsockname()[1]}/"
    build.config["downloads"] = {"mirrors": {"https://huggingface.co/": address}, "attempts": 1}
    done = build.snakemake("reproduce")
    assert done.returncode == 1
    assert "Traceback" not in done.stdout
    lines = [line for line in done.stdout.splitlines() if line.startswith("selfalign: error: ")]
    assert len(lines) == 1
    assert lines[0].startswith(f"selfalign: error: cannot download {address}datasets/evoeval/")
    assert f"copy called EvoEval_{VERSION}.jsonl into a directory" in lines[0]
