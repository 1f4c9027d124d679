"""Sharing a server between jobs, with the test double in the server's place."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import httpx
import psutil
import pytest

from selfalign.core.config import load_config
from selfalign.core.errors import InfrastructureError
from selfalign.serving import endpoints

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def checkpoint(tmp_path):
    directory = tmp_path / "model/base"
    directory.mkdir(parents=True)
    (directory / "config.json").write_text("{}")
    return directory


def config(tmp_path, **server):
    return load_config(
        {"paths": {"results": str(tmp_path / "results")}, "server": {"kind": "double", **server}}
    )


def keepers_below(tmp_path):
    return [
        p
        for p in psutil.process_iter(["cmdline"])
        if str(tmp_path) in " ".join(p.info["cmdline"] or []) and p.pid != os.getpid()
    ]


def wait_until(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.1)
    return False


JOB = """
    import sys, time
    from selfalign.core.config import load_config
    from selfalign.serving import endpoints
    config = load_config({"paths": {"results": sys.argv[1]}, "server": {"kind": "double"}})
    with endpoints(config, sys.argv[2]) as urls:
        print(urls[0], flush=True)
        time.sleep(float(sys.argv[3]))
"""


def start_workflow(tmp_path, checkpoint, hold):
    """Start a process that stands for the workflow, whose child is a job that holds a lease for `hold` s."""
    job = tmp_path / "job.py"
    job.write_text(textwrap.dedent(JOB))
    workflow = "import subprocess, sys, time; subprocess.run(sys.argv[1:]); print('job over', flush=True); time.sleep(600)"
    arguments = [sys.executable, str(job), str(tmp_path / "results"), str(checkpoint), str(hold)]
    return subprocess.Popen([sys.executable, "-c", workflow, *arguments], stdout=subprocess.PIPE, text=True)


def test_jobs_share_one_server_and_it_ends_with_the_workflow(tmp_path, checkpoint):
    first = start_workflow(tmp_path, checkpoint, hold=0.5)
    url = first.stdout.readline().strip()
    assert first.stdout.readline().strip() == "job over"
    with endpoints(config(tmp_path), checkpoint) as urls:
        assert urls == [url]
        first.kill()
        time.sleep(1)
        assert httpx.get(f"{url}/models").status_code == 200, "a lease keeps the server, whoever started it"
    assert wait_until(lambda: not keepers_below(tmp_path)), "no orphan once the workflow is gone"
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/models")


def test_a_killed_job_and_workflow_leave_no_server(tmp_path, checkpoint):
    workflow = start_workflow(tmp_path, checkpoint, hold=600)
    workflow.stdout.readline()
    family = psutil.Process(workflow.pid).children(recursive=True)
    for process in (workflow, *(p for p in family if "job.py" in " ".join(p.cmdline()))):
        os.kill(process.pid, signal.SIGKILL)
    assert wait_until(lambda: not keepers_below(tmp_path))


def test_a_new_job_gets_a_new_server_after_the_old_one_died(tmp_path, checkpoint):
    with endpoints(config(tmp_path), checkpoint) as urls:
        server = next(p for p in keepers_below(tmp_path) if "keeper" in " ".join(p.cmdline())).children()[0]
        server.kill()
        assert wait_until(lambda: not keepers_below(tmp_path))
    with endpoints(config(tmp_path), checkpoint) as again:
        assert httpx.get(f"{again[0]}/models").status_code == 200
        assert again != urls
    for process in keepers_below(tmp_path):
        process.terminate()


def test_a_server_that_cannot_start_shows_its_last_lines(tmp_path, checkpoint):
    bad = config(tmp_path, extra_args=["--no-such-option"])
    with pytest.raises(
        InfrastructureError, match=r"(?s)ended with status \d+ before it was ready.*no-such-option"
    ):
        with endpoints(bad, checkpoint):
            pass
    assert wait_until(lambda: not keepers_below(tmp_path))


def test_a_job_that_owns_its_server_ends_it(tmp_path, checkpoint):
    with endpoints(config(tmp_path, lifetime="job"), checkpoint) as urls:
        assert httpx.get(f"{urls[0]}/models").status_code == 200
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{urls[0]}/models")


def test_an_external_server_is_the_configured_one_or_the_environments(monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://environment/v1")
    for configured, expected in ((["http://a/v1"], ["http://a/v1"]), ([], ["http://environment/v1"])):
        settings = load_config({"server": {"kind": "external", "endpoints": configured}})
        with endpoints(settings, None) as urls:
            assert urls == expected
