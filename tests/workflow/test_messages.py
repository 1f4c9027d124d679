"""What a person is told by Snakemake itself when something goes wrong: one line, the rule, its last lines, its log."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from pathlib import Path

import psutil
import pytest
from tests.workflow.harness import Build

pytestmark = [pytest.mark.workflow, pytest.mark.timeout(300)]


@pytest.fixture
def build(finished, tmp_path) -> Build:
    """A finished build that may be broken."""
    return finished.copy(tmp_path / "copy")


def failure_of(rule: str, text: str) -> str:
    """Return what is said of the failed job of `rule`, up to the next empty line or job."""
    assert "Traceback" not in text, text[-3000:]
    start = text.index(f"Error in rule {rule}")
    return text[start:].split("\n\n", maxsplit=1)[0]


@pytest.mark.parametrize(
    ("config", "line"),
    [
        ({"seeds": {"coutn": 3}}, "configuration: unknown key 'seeds.coutn'; did you mean 'count'?"),
        ({"seeds": {"count": "many"}}, "configuration: 'seeds.count' is 'many'"),
    ],
)
def test_a_wrong_configuration_is_one_line_before_anything_runs(finished, config, line):
    done = finished.snakemake(config=config)
    assert done.returncode == 1
    assert line in done.stdout
    assert "Job stats" not in done.stdout
    assert "Traceback" not in done.stdout


def test_an_upload_to_nowhere_is_refused_before_anything_is_built(build):
    shutil.rmtree(build.directory / "results")
    done = build.snakemake("push_dataset")
    assert done.returncode == 1
    assert "configuration: 'curation.export.hub' is null; allowed: the data set on the hub" in done.stdout
    assert "Traceback" not in done.stdout
    assert "Finished jobid" not in done.stdout


def test_verdicts_where_none_can_be_kept_are_refused_before_anything_is_built(build):
    shutil.rmtree(build.directory / "results")
    (build.directory / "somewhere").mkdir()
    done = build.snakemake("--until", "execute", config={"paths": {"verdicts": "somewhere"}})
    assert done.returncode == 1
    assert "'somewhere' (configuration key paths.verdicts, option --cache) is a directory" in done.stdout
    assert "Traceback" not in done.stdout
    assert "Finished jobid" not in done.stdout


def test_verdicts_need_not_be_kept(build):
    (build.directory / "results/verdicts.sqlite").unlink()
    done = build.snakemake("--forcerun", "execute", "--until", "execute", config={"paths": {"verdicts": ""}})
    assert done.returncode == 0, done.stdout[-3000:]
    assert not (build.directory / "results/verdicts.sqlite").exists()


def test_values_of_the_command_line_have_their_types(finished):
    done = finished.snakemake(
        "--dry-run", "--quiet", "rules", "--config", 'curation={"diversify_names": true}'
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert "select" in done.stdout
    done = finished.snakemake("--dry-run", "--config", 'curation={"max_rows": "many"}')
    assert done.returncode == 1
    assert "'curation.max_rows' is 'many'; expected integer" in done.stdout


def test_a_server_that_cannot_start_is_told_with_its_own_last_lines(build):
    forget_answers(build)
    done = build.snakemake(
        "--forcerun",
        "concepts",
        "--until",
        "concepts",
        config={"server": {"extra_args": ["--no-such-option"]}},
    )
    assert done.returncode == 1
    told = failure_of("concepts", done.stdout)
    assert "log: results/tiny/logs/concepts/0000.log, its last lines:" in done.stdout
    assert "the model server ended with status 2 before it was ready" in told
    assert "unrecognized arguments: --no-such-option" in told


def test_no_rows_left_is_told_with_what_was_expected(build):
    done = build.snakemake("--until", "train", config={"curation": {"length": {"min_tokens": 100_000}}})
    assert done.returncode == 1
    told = failure_of("train", done.stdout)
    assert "log: results/tiny/logs/train.log, its last lines:" in told
    assert "results/tiny/dataset/train.jsonl: expected at least 1 rows to train on" in told
    assert "found 0" in told


def test_a_file_that_is_broken_is_named_with_its_record(build):
    rows = build.result("dataset/nontrivial_tests.jsonl")
    first, *rest = rows.read_text().splitlines()
    broken = {key: value for key, value in json.loads(first).items() if key != "instruction"}
    rows.write_text("\n".join([json.dumps(broken), *rest]) + "\n")
    done = build.snakemake("--until", "select")
    assert done.returncode == 1
    told = failure_of("select", done.stdout)
    assert "log: results/tiny/logs/select.log, its last lines:" in told
    assert "results/tiny/dataset/nontrivial_tests.jsonl, record 1, field 'instruction'" in told


def server_of(build: Build) -> psutil.Process | None:
    """The model server that works for `build`."""
    for process in psutil.process_iter():
        try:
            line = " ".join(process.cmdline())
            guard = process.parent()
            if "tests.model_server" in line and guard and str(build.directory) in guard.cwd():
                return process
        except psutil.Error:
            continue
    return None


@pytest.mark.parametrize(
    ("rule", "output"),
    [
        ("responses", "responses/shards/0000.jsonl"),
        ("benchmark_samples", "scores/base/plain/humaneval/samples.jsonl"),
    ],
)
def test_a_server_that_dies_stops_the_job_and_the_next_build_goes_on(build, tmp_path, rule, output):
    forget_answers(build)
    assert build.result(output).exists()
    # As slow as leaves time to kill it, and no patience with an outage.
    config = {
        "server": {"extra_args": ["--token-ms", "20", "--slots", "1"]},
        "client": {"outage_s": 1, "max_retries": 1, "backoff_first_s": 0.1},
        "evaluation": {"layouts": {"base": ["plain"], "tuned": []}},
    }
    log = tmp_path / "out.txt"
    command = build.command("--forcerun", rule, "--until", rule, config=config)
    with log.open("w") as out:
        process = subprocess.Popen(
            command, cwd=build.directory, env=build.environment(), stdout=out, stderr=subprocess.STDOUT
        )
    deadline = time.monotonic() + 60
    asked = build.directory / "results/completion_cache"
    while not any(path.stat().st_size for path in files(asked)) and time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()[-3000:]
        time.sleep(0.1)
    server = server_of(build)
    assert server is not None
    server.kill()
    assert process.wait(120) == 1
    told = failure_of(rule, log.read_text())
    assert f"log: results/tiny/logs/{rule}/" in told
    assert "no server has been reachable" in told
    assert not build.result(output).exists()
    # The same command: Snakemake alone does not miss what is missing before a later file that is there.
    done = build.snakemake("--forcerun", rule, "--until", rule)
    assert done.returncode == 0, done.stdout[-3000:]
    assert build.result(output).exists()


def forget_answers(build: Build) -> None:
    """Empty the completion cache, from which all would be answered without a server."""
    for path in files(build.directory / "results/completion_cache"):
        path.unlink()


def files(directory: Path) -> list[Path]:
    """The files below `directory`."""
    return [path for path in directory.rglob("*") if path.is_file()]
