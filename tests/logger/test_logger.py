"""Progress in a real terminal and in a plain log; what is said of a failed job; when a build will end."""

import os
import pty
import re
import subprocess
import sys
from collections import Counter

import pytest

from snakemake_logger_plugin_selfalign.failure import failure_text, last_lines
from snakemake_logger_plugin_selfalign.live import last_message
from snakemake_logger_plugin_selfalign.remaining import Remaining, benchmark_root

SNAKEFILE = """
rule all:
    input: "good-0", "good-1", "bad"

rule good:
    output: "good-{n}"
    log: "logs/good/{n}.log"
    benchmark: "benchmarks/good/{n}.tsv"
    message: "Make {wildcards.n}"
    shell: "echo working > {log}; sleep 1.5; touch {output}"

rule bad:
    output: "bad"
    log: "logs/bad.log"
    shell: "for i in $(seq 100); do echo line $i; done > {log}; exit 3"
"""


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    directory = tmp_path_factory.mktemp("logger")
    (directory / "Snakefile").write_text(SNAKEFILE)
    return directory


def snakemake(directory, *arguments, stderr=subprocess.PIPE):
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--cores",
        "1",
        "--keep-going",
        "--logger",
        "selfalign",
        *arguments,
    ]
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "110", "LINES": "40"}
    return subprocess.Popen(
        command, cwd=directory, stdout=subprocess.PIPE, stderr=stderr, text=True, env=environment
    )


def test_a_terminal_shows_what_runs_how_far_and_until_when(directory):
    ours, theirs = pty.openpty()
    process = snakemake(directory, "--forceall", stderr=theirs)
    os.close(theirs)
    seen = b""
    while True:
        try:
            block = os.read(ours, 65536)
        except OSError:
            break
        if not block:
            break
        seen += block
    os.close(ours)
    assert process.wait() == 1
    assert process.stdout is not None
    process.stdout.close()
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen.decode())
    assert "✓ good 1 of 2" in text
    assert "▸ good" in text
    assert "of 4 jobs" in text
    assert re.search(r"about \d+ s left \(until \d\d:\d\d\)", text)
    assert "working" in text, "the last line of a running job's log"
    assert "✗ bad failed" in text
    assert "| line 100" in text
    assert "| line 85\r" not in text
    assert text.count("Error in rule bad") == 1


def test_a_log_has_plain_lines_with_the_end_of_the_failed_jobs_log(directory):
    process = snakemake(directory, "--forceall")
    _, text = process.communicate()
    assert process.returncode == 1
    assert "\x1b" not in text
    assert "Job stats:" in text
    assert "rule good:" in text or "Make 0" in text
    failed = text[text.index("Error in rule bad") :]
    assert "log: logs/bad.log, its last lines:" in failed
    assert "| line 100" in failed
    assert "| line 85\n" not in failed
    whole = next((directory / ".snakemake/log").glob("*.log")).read_text()
    assert "Error in rule bad" in whole, "Snakemake's own log is kept"


def test_a_dry_run_is_told_as_ever(directory):
    process = snakemake(directory, "--dry-run", "--forceall", stderr=subprocess.STDOUT)
    text, _ = process.communicate()
    assert process.returncode == 0
    assert "would be executed" in text or "This was a dry-run" in text


def test_last_lines_of_a_log_that_is_bars_binary_long_or_missing(tmp_path):
    log = tmp_path / "x.log"
    log.write_bytes(b"10%\r50%\r100%\n\xff\xfe\n" + b"y" * 5000)
    lines = last_lines(log)
    assert lines[1] == "    | 100%"
    assert len(lines[-1]) < 500
    assert "No such file" in last_lines(tmp_path / "none.log")[0]
    log.write_text("")
    assert last_lines(log) == [f"    log: {log} is empty"]


def test_a_failed_job_names_its_rule_wildcards_and_shell():
    text = failure_text(
        {
            "rule_name": "train",
            "wildcards": {"model": "base"},
            "jobid": 3,
            "output": ["a"],
            "log": [],
            "shellcmd": "false",
        }
    )
    assert "Error in rule train (model=base):" in text
    assert "false" in text
    assert "has no log" in text


def test_last_message_are_without_their_time(tmp_path):
    log = tmp_path / "x.log"
    log.write_text("2026-01-01 10:00:00,000 INFO    selfalign.client.progress: responses: 3 of 9 records\n\n")
    assert last_message(str(log)) == "responses: 3 of 9 records"
    assert last_message(str(tmp_path / "none")) == ""


def test_the_end_is_told_from_this_run_else_from_the_last(tmp_path):
    now = [0.0]
    (tmp_path / "benchmarks/slow").mkdir(parents=True)
    (tmp_path / "benchmarks/slow/0.tsv").write_text("s\th:m:s\n100.0\t-\nNA\t-\n")
    left = Remaining(Counter(fast=3, slow=2), clock=lambda: now[0])
    assert left.seconds() is None
    left.earlier = tmp_path / "benchmarks"
    assert left.seconds() == pytest.approx(2 * 100 + 3 * 100)  # fast is not known: as long as the others
    left.start(1, "fast")
    now[0] = 10.0
    assert left.end(1) == ("fast", 10.0)
    assert left.seconds() == pytest.approx(2 * 100 + 2 * 10)
    left.start(2, "slow")
    left.start(3, "fast")
    now[0] = 15.0
    assert left.seconds() == pytest.approx((2 * 100 + 2 * 10 - 5 - 5) / 2)
    assert left.end(9) is None


def test_benchmark_files_lie_under_one_root():
    assert str(benchmark_root("results/r/benchmarks/concepts/0000.tsv")) == "results/r/benchmarks"
    assert benchmark_root("elsewhere/x.tsv") is None
