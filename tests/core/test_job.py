"""The context of a job: its log, and errors as one line."""

import subprocess
import sys

import pytest

JOB = """
import logging, sys
from selfalign.core.job import running_job
with running_job(sys.argv[1], "INFO"):
    logging.getLogger("selfalign").info("begins")
    if len(sys.argv) > 2:
        full = open("/dev/full", "w")
        logging.getLogger().handlers[0].setStream(full)
    for number in range(3):
        logging.getLogger("selfalign").info("line %d", number)
    print("done")
"""


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-c", JOB, *map(str, arguments)], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ("/dev/full", "/dev/full: No space left on device; free some disk space"),
        ("{tmp}", "{tmp}: Is a directory; expected a file"),
        ("{tmp}/none/log", "{tmp}/none/log: No such file or directory"),
    ],
)
def test_a_log_that_cannot_be_made_is_one_line(tmp_path, log, said):
    done = run(log.format(tmp=tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith(f"selfalign: error: {said.format(tmp=tmp_path)}")
    assert len(done.stderr.splitlines()) == 1


def test_a_disk_that_becomes_full_loses_lines_of_the_log_and_not_the_job(tmp_path):
    done = run(tmp_path / "log", "full")
    assert (done.returncode, done.stdout) == (0, "done\n")
    assert done.stderr == (
        f"selfalign: warning: {tmp_path}/log: No space left on device; lines are missing in this log\n"
    )
    assert "begins" in (tmp_path / "log").read_text()
