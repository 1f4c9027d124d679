"""A build that is interrupted at every stage, by Ctrl-C and by kill -9, ends with the bytes of one that was not."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time

import psutil
import pytest
from tests.tiny import write_tiny_checkpoint
from tests.workflow.harness import Build, tiny_config, working_copy

pytestmark = [pytest.mark.workflow, pytest.mark.timeout(1200)]

# A job of each stage: the build is interrupted as soon as its log appears.
STAGES = (
    ("logs/collect_functions/toolz-1.0.0.log", signal.SIGKILL),
    ("logs/check_functions/toolz-1.0.0.log", signal.SIGINT),
    ("logs/concepts/0000.log", signal.SIGKILL),
    ("logs/responses/0001.log", signal.SIGINT),
    ("logs/execute/0000.log", signal.SIGKILL),
    ("logs/sanitize_smart.log", signal.SIGKILL),
    ("logs/train.log", signal.SIGKILL),
    ("logs/benchmark_samples/tuned-own-humaneval.log", signal.SIGKILL),
    ("logs/benchmark_score/tuned-own-humaneval.log", signal.SIGINT),
)
# Declared outputs that hold times, and what is no artifact at all.
TIMED = (
    ".servers/",
    "logs/",
    "benchmarks/",
    "report/index.html",
    "report/provenance.json",
    "model/training/",
    "model/tuned.metrics.jsonl",
    "scores/base/own/humaneval/timings.jsonl",
    "scores/base/plain/humaneval/timings.jsonl",
    "scores/tuned/own/humaneval/timings.jsonl",
)


def hashes(build: Build) -> dict[str, str]:
    root = build.result(".")
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
        and not (name := str(path.relative_to(root))).startswith(TIMED)
        and "/metrics/" not in name
    }


def processes_in(directory) -> list[psutil.Process]:
    """The processes that work in `directory`."""
    found = []
    for process in psutil.process_iter():
        try:
            if str(directory) in (process.cwd(), *process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


def interrupt(build: Build, log: str, how: signal.Signals) -> str:
    """Start the build, interrupt it once `log` appears, and return what it printed."""
    path = build.result(log)
    path.unlink(missing_ok=True)
    output = build.directory / "interrupted.txt"
    with output.open("w") as out:
        process = subprocess.Popen(
            # What a shell runs in the background ignores Ctrl-C, and so would what we start from there.
            ["env", "--default-signal=INT", *build.command()],
            cwd=build.directory,
            env=build.environment(),
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + 300
    while not path.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert process.poll() is None, output.read_text()[-3000:]
    if how == signal.SIGINT:
        os.killpg(process.pid, how)  # what a terminal does
    else:
        process.kill()
    process.wait(60)
    return output.read_text()


def test_interrupted_at_every_stage(finished, tmp_path):
    directory = working_copy(tmp_path)
    write_tiny_checkpoint(directory / "tiny-model")
    build = Build(directory, tiny_config())
    for log, how in STAGES:
        interrupt(build, log, how)
    done = build.snakemake()
    assert done.returncode == 0, done.stdout[-4000:]
    ours, theirs = hashes(build), hashes(finished)
    assert len(theirs) > 60
    assert ours == theirs
    wait_for_processes(directory)


@pytest.mark.parametrize("killed", [False, True])
def test_nothing_made_of_an_earlier_configuration_passes_for_this_ones(finished, tmp_path, killed):
    """A job in the middle that fails or is killed takes its old output with it; what was made of that is still there."""
    build, scores = finished.copy(tmp_path / "copy"), "results/tiny/scores/summary.json"
    build.config["training"]["learning_rate"] = 1e-3
    card = build.result("model/tuned/selfalign.json")
    assert "0.001" not in card.read_text()
    before = (build.directory / scores).stat().st_mtime_ns
    if killed:
        interrupt(build, "logs/train.log", signal.SIGKILL)
        wait_for_processes(build.directory)
        shutil.rmtree(card.parent, ignore_errors=True)  # it may just have been done
    else:
        build.config["training"]["min_rows"] = 1000
        failed = build.snakemake(scores)
        assert failed.returncode == 1
        assert "expected at least 1000 rows" in failed.stdout
        build.config["training"]["min_rows"] = 1
    assert not card.exists()
    assert (build.directory / scores).exists()
    done = build.snakemake(scores)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "0.001" in card.read_text()
    assert (build.directory / scores).stat().st_mtime_ns > before
    assert "Nothing to be done" in build.snakemake(scores).stdout


def wait_for_processes(directory) -> None:
    """Wait until no process works in `directory`."""
    deadline = time.monotonic() + 30
    while processes_in(directory) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert processes_in(directory) == [], "no orphan"


def test_a_second_build_in_the_same_directory_is_refused(finished):
    program = "import sys; from selfalign.core.build_state import hold_lock; hold_lock(sys.argv[1]); print(1, flush=True); input()"
    lock = finished.directory / ".snakemake/selfalign/lock"
    with subprocess.Popen(
        [sys.executable, "-c", program, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        done = finished.snakemake("--forcerun", "funnel")
        holder.kill()
    assert done.returncode == 1
    assert f"held by process {holder.pid}: another build is running in this directory" in done.stdout
