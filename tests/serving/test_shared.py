"""Sharing a server between jobs: who starts it, who keeps it, and that nothing of it is left."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time

import httpx
import psutil
import pytest
from tests import model_server

from selfalign.core.config import load_config
from selfalign.core.errors import InfrastructureError
from selfalign.serving.client import endpoints

pytestmark = pytest.mark.timeout(120)


def config(tmp_path, **server):
    server = {"kind": "command", "command": model_server.command(), **server}
    return load_config({"paths": {"results": str(tmp_path / "results")}, "server": server})


JOB = """
    import json, sys, time
    from selfalign.core.config import load_config
    from selfalign.serving.client import endpoints
    server = {"kind": "command", "command": json.loads(sys.argv[4])}
    config = load_config({"paths": {"results": sys.argv[1]}, "server": server})
    with endpoints(config, sys.argv[2], "base") as urls:
        print(urls[0], flush=True)
        time.sleep(float(sys.argv[3]))
"""


def start_workflow(tmp_path, checkpoint, hold):
    """Start a process that stands for the workflow, whose child is a job that uses the server for `hold` seconds."""
    job = tmp_path / "job.py"
    job.write_text(textwrap.dedent(JOB))
    workflow = "import subprocess, sys, time; subprocess.run(sys.argv[1:]); print('job over', flush=True); time.sleep(600)"
    command = json.dumps(model_server.command())
    arguments = [sys.executable, str(job), str(tmp_path / "results"), str(checkpoint), str(hold), command]
    return subprocess.Popen([sys.executable, "-c", workflow, *arguments], stdout=subprocess.PIPE, text=True)


def supervisor(started):
    return next(p for p in started() if "selfalign.serving.supervisor" in p.cmdline())


def refuses(url):
    try:
        httpx.get(f"{url}/models")
    except httpx.ConnectError:
        return True
    return False


def test_jobs_share_one_server_and_it_ends_with_the_workflow(tmp_path, checkpoint, started, wait_until):
    first = start_workflow(tmp_path, checkpoint, hold=0.5)
    url = first.stdout.readline().strip()
    assert first.stdout.readline().strip() == "job over"
    with endpoints(config(tmp_path), checkpoint, "base") as urls:
        assert urls == [url]
        first.kill()
        time.sleep(1)
        assert httpx.get(f"{url}/models").status_code == 200, "a lease keeps the server, whoever started it"
    assert wait_until(lambda: not started()), "no orphan once the workflow is gone"
    assert refuses(url)


def test_a_killed_job_and_workflow_leave_no_server(tmp_path, checkpoint, started, wait_until):
    workflow = start_workflow(tmp_path, checkpoint, hold=600)
    workflow.stdout.readline()
    family = psutil.Process(workflow.pid).children(recursive=True)
    for process in (workflow, *(p for p in family if "job.py" in " ".join(p.cmdline()))):
        os.kill(process.pid, signal.SIGKILL)
    assert wait_until(lambda: not started())


def test_a_killed_supervisor_leaves_no_server_and_the_next_job_starts_another(
    tmp_path, checkpoint, started, wait_until
):
    with endpoints(config(tmp_path), checkpoint, "base") as urls:
        supervisor(started).kill()
        assert wait_until(lambda: refuses(urls[0]))
        assert wait_until(lambda: not started())
        with endpoints(config(tmp_path), checkpoint, "base") as again:
            assert httpx.get(f"{again[0]}/models").status_code == 200
    for process in started():
        process.terminate()
    assert wait_until(lambda: not started())


def test_a_new_job_gets_a_new_server_after_the_old_one_died(tmp_path, checkpoint, started, wait_until):
    with endpoints(config(tmp_path), checkpoint, "base") as urls:
        server = supervisor(started).children()[0].children()[0]
        assert "tests.model_server" in server.cmdline()
        server.kill()
        assert wait_until(lambda: not started())
    with endpoints(config(tmp_path), checkpoint, "base") as again:
        assert httpx.get(f"{again[0]}/models").status_code == 200
        assert again != urls
    for process in started():
        process.terminate()
    assert wait_until(lambda: not started())


def test_a_server_that_cannot_start_shows_its_last_lines(tmp_path, checkpoint, started, wait_until):
    bad = config(tmp_path, extra_args=["--no-such-option"])
    with pytest.raises(
        InfrastructureError, match=r"(?s)ended with status 2 before it was ready.*no-such-option"
    ):
        with endpoints(bad, checkpoint, "base"):
            pass
    assert wait_until(lambda: not started())
