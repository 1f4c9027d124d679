"""A one-node Slurm, a build on it with one job cancelled, and a build whose slow job is stopped twice."""

from __future__ import annotations

import importlib.util
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.slurm import CANCELLED, jobs, need_slurm, one_node_slurm, rule_of, run
from tests.workflow.harness import Build, working_copy

# The profile as it is, but for waiting less: this Slurm is idle and its file system local.
QUICK = ("--slurm-init-seconds-before-status-checks", "8", "--latency-wait", "5")
# Cores, which bound the threads of a job on a cluster too; those of this machine are for local rules alone.
QUICK += ("--cores", "16", "--local-cores", "2")


@dataclass
class OnSlurm:
    """A build on the scheduler, what it printed, and the jobs Slurm had."""

    build: Build
    output: str
    jobs: list[dict[str, str]] = field(default_factory=list)

    def of(self, rule: str) -> list[dict[str, str]]:
        """Return the jobs that were submitted for a rule, in the order of submission."""
        return [job for job in self.jobs if rule_of(job).split("_wildcards_")[0] == rule]


@pytest.fixture(scope="session")
def slurm() -> Iterator[None]:
    need_slurm()
    if importlib.util.find_spec("snakemake_executor_plugin_slurm") is None:
        pytest.skip("needs the executor plugin for Slurm: `make test` installs it (`make cluster`)")
    with tempfile.TemporaryDirectory(prefix="selfalign-slurm-") as base, one_node_slurm(Path(base)):
        yield


@pytest.fixture(scope="session")
def on_slurm(slurm, finished: Build, tmp_path_factory) -> OnSlurm:  # noqa: ARG001 - a Slurm must run
    """The tiny build through profiles/slurm, from nothing; one CPU job is cancelled while it runs."""
    directory = working_copy(tmp_path_factory.mktemp("slurm"))
    (directory / "tiny-model").symlink_to(finished.directory / "tiny-model")
    build = Build(directory, finished.config)
    over = threading.Event()
    watcher = threading.Thread(target=_cancel_first, args=(CANCELLED, over))
    watcher.start()
    try:
        done = build.snakemake("--profile", "profiles/slurm", *QUICK, timeout=1500)
    finally:
        over.set()
        watcher.join()
    assert done.returncode == 0, done.stdout[-6000:]
    return OnSlurm(build, done.stdout, jobs())


def _cancel_first(rule: str, over: threading.Event) -> None:
    while not over.wait(0.2):
        for job in jobs():
            if rule_of(job).startswith(rule) and job["JobState"] == "RUNNING":
                run("scancel", job["JobId"])
                return


@dataclass
class Stopped:
    """A shard of responses whose job was stopped by Ctrl-C, then requeued by Slurm, and then ended."""

    left_by_interrupt: list[str]
    asked: list[list[str]]
    bought: list[list[str]]
    rows: bytes
    restarts: int


@pytest.fixture(scope="session")
def stopped(on_slurm: OnSlurm) -> Stopped:
    build = on_slurm.build
    shard = "results/tiny/responses/shards/0000.jsonl"
    record = build.directory / "record"
    slow: dict[str, Any] = {
        "paths": {**build.config.get("paths", {}), "completion_cache": "results/slow-completion-cache"},
        "server": {"extra_args": ["--slots", "1", "--token-ms", "120", "--record", str(record)]},
    }
    command = build.command(
        *("--profile", "profiles/slurm", *QUICK, "--forcerun", shard, "--", shard), config=slow
    )
    # The targets end where the configuration files begin.
    command = _targets_last(command, shard)
    asked, bought = [], []

    first = _start(command, build)
    bought.append(_bought(record, first))
    first.send_signal(signal.SIGINT)
    output = first.communicate(timeout=120)[0]
    assert first.returncode != 0, f"the interrupted build ran to its end:\n{output[-4000:]}"
    left = _wait_empty()
    asked.append(_lines(record, "asked"))

    record.write_text("")
    second = _start(command, build)
    bought.append(_bought(record, second))
    asked.append(_lines(record, "asked"))
    (job,) = [job for job in jobs() if job["JobState"] == "RUNNING"]
    record.write_text("")
    run("scontrol", "requeue", job["JobId"])  # what a pre-emption with PreemptMode=REQUEUE does
    _wait_for(lambda: _state(job["JobId"])["JobState"] == "PENDING", second)
    run("scontrol", "update", f"JobId={job['JobId']}", "StartTime=now")
    output = second.communicate(timeout=200)[0]
    assert second.returncode == 0, output[-4000:]
    asked.append(_lines(record, "asked"))
    rows = (build.directory / shard).read_bytes()
    return Stopped(left, asked, bought, rows, int(_state(job["JobId"])["Restarts"]))


def _targets_last(command: list[str], target: str) -> list[str]:
    at = command.index("--")
    rest = [part for part in command[at + 1 :] if part != target]
    return [*command[:at], *rest, "--", target]


def _start(command: list[str], build: Build) -> subprocess.Popen[str]:
    return subprocess.Popen(
        # Without it the build ignores Ctrl-C if the tests run in the background of a script, as every command there.
        ["env", "--default-signal=INT", *command],
        cwd=build.directory,
        env=build.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def _lines(record: Path, kind: str) -> list[str]:
    text = record.read_text() if record.exists() else ""
    return [line.split()[1] for line in text.splitlines() if line.startswith(f"{kind} ")]


def _bought(record: Path, process: subprocess.Popen[str]) -> list[str]:
    """Wait until a completion was answered, and return it."""
    _wait_for(lambda: _lines(record, "answered"), process)
    time.sleep(0.3)  # it is noted before it is sent
    return _lines(record, "answered")


def _state(job: str) -> dict[str, str]:
    return next(each for each in jobs() if each["JobId"] == job)


def _wait_empty() -> list[str]:
    """Return what squeue still lists after half a minute at most."""
    deadline = time.monotonic() + 30
    while (left := run("squeue", "--noheader").splitlines()) and time.monotonic() < deadline:
        time.sleep(0.5)
    return left


def _wait_for(condition: Callable[[], object], process: subprocess.Popen[str], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise AssertionError(process.communicate()[0][-4000:])
        time.sleep(0.1)
