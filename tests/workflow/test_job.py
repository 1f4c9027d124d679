"""What the scripts of all rules share: how a job ends when it is told to."""

import signal
import subprocess
import sys
import time

import pytest
from tests.workflow.harness import ROOT

from selfalign.completion_cache import open_completion_cache

# A job that buys completions, over a disk that takes a second for each write.
BUYS = """
import sys, time
from pathlib import Path
from types import SimpleNamespace
sys.path.append(sys.argv[1])  # scripts/select.py must not come before the standard library
from _job import job
from selfalign.client import Request, open_client
from selfalign.completion_cache.segments import SegmentWriter

write = SegmentWriter.append
def slowly(self, lines):
    print("writing", flush=True)
    time.sleep(1)
    return write(self, lines)
SegmentWriter.append = slowly

with job(SimpleNamespace(log=[], config={})):
    requests = [Request(str(i), f"prompt {i}", 10) for i in range(6)]
    with open_client([sys.argv[2]], "base", identity="test", cache=Path(sys.argv[3])) as client:
        list(client.complete(requests))
"""


@pytest.mark.timeout(60)
def test_a_job_told_to_end_caches_what_it_was_answered(start_double, tmp_path):
    record = tmp_path / "record"
    url = start_double("--record", record)
    command = [sys.executable, "-c", BUYS, str(ROOT / "scripts"), url, str(tmp_path / "cache")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        deadline = time.monotonic() + 10
        while record.read_text().count("answered") < 6 and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.2)  # noted before they are sent
        process.terminate()
        process.terminate()
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGTERM
    assert "Traceback" not in errors
    with open_completion_cache(tmp_path / "cache") as cache:
        assert len(cache) == 6
