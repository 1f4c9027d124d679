"""One server process: it and all that it starts ends with its owner, however that ends."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest

from selfalign.core.errors import InfrastructureError
from selfalign.serving.command import ServerCommand
from selfalign.serving.process import free_port, running

pytestmark = pytest.mark.timeout(60)

# A server with workers in sessions of their own, one of which has lost its parent.
SERVER = """
    import http.server, os, subprocess, sys
    loop = "import signal, sys, time; signal.signal(signal.SIGTERM, signal.{}); time.sleep(600)"
    subprocess.Popen([sys.executable, "-c", loop.format(sys.argv[3]), sys.argv[2], "worker"], start_new_session=True)
    if os.fork() == 0:
        subprocess.Popen([sys.executable, "-c", loop.format("SIG_DFL"), sys.argv[2], "orphan"], start_new_session=True)
        os._exit(0)
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200); self.end_headers()
        def log_message(self, *_):
            pass
    http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
OWNER = """
    import json, sys, time
    from pathlib import Path
    from selfalign.serving.command import ServerCommand
    from selfalign.serving.process import running
    given = json.loads(sys.argv[1])
    command = ServerCommand(given["argv"], {}, cleanup=tuple(given["cleanup"]))
    with running(command, given["port"], Path(given["log"]), 30) as guard:
        print(guard.pid, flush=True)
        time.sleep(600)
"""


@pytest.fixture
def server(tmp_path):
    """Command and port of :data:`SERVER`; its cleanup leaves a file."""
    program = tmp_path / "server.py"
    program.write_text(textwrap.dedent(SERVER))
    port = free_port()
    argv = [sys.executable, str(program), str(port), str(tmp_path), "SIG_DFL"]
    return ServerCommand(argv, {}, cleanup=("touch", str(tmp_path / "cleaned"))), port


def roles(processes):
    """Return which of the server's processes run."""
    lines = [process.cmdline() for process in processes]
    return sorted(
        role
        for line in lines
        for role in ("worker", "orphan", "server.py")
        if role in (line[-1], Path(line[1]).name)
    )


def all_there(started):
    return roles(started()) == ["orphan", "server.py", "worker"]


def test_a_server_is_stopped_with_all_its_processes_even_those_that_ignore_sigterm(
    server, tmp_path, started, wait_until
):
    command, port = server
    command.argv[-1] = "SIG_IGN"
    with running(command, port, tmp_path / "log", 30):
        assert wait_until(lambda: all_there(started))
        assert not (tmp_path / "cleaned").exists()
    assert started() == []
    assert (tmp_path / "cleaned").exists()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_an_owner_that_is_killed_leaves_nothing_of_its_server(server, tmp_path, started, wait_until, number):
    command, port = server
    owner = tmp_path / "owner.py"
    owner.write_text(textwrap.dedent(OWNER))
    task = {
        "argv": command.argv,
        "cleanup": command.cleanup,
        "port": port,
        "log": str(tmp_path / "log"),
    }
    process = subprocess.Popen(
        [sys.executable, str(owner), json.dumps(task)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    guard = int(process.stdout.readline())
    assert wait_until(lambda: all_there(started))
    process.send_signal(number)
    assert process.wait() == -number
    assert wait_until(lambda: not started(), 30)
    assert wait_until(lambda: not psutil.pid_exists(guard))
    assert (tmp_path / "cleaned").exists()
    process.stdout.close()


def test_a_guard_that_is_killed_takes_the_server_with_it(server, tmp_path, started, wait_until):
    command, port = server
    with running(command, port, tmp_path / "log", 30) as guard:
        assert wait_until(lambda: all_there(started))
        os.kill(guard.pid, signal.SIGKILL)
        guard.wait()
        assert wait_until(lambda: "server.py" not in roles(started()))
    assert (tmp_path / "cleaned").exists()
    for left in started():
        left.kill()


def test_a_server_that_ends_is_reported_with_its_status_and_last_lines(tmp_path):
    dies = ServerCommand([sys.executable, "-c", "import os; print('no room', flush=True); os.abort()"], {})
    with pytest.raises(InfrastructureError, match=r"(?s)ended with status 134 before it was ready.*no room"):
        with running(dies, free_port(), tmp_path / "log", 30):
            pass


def test_a_command_that_cannot_be_started_is_named(tmp_path):
    absent = ServerCommand([str(tmp_path / "absent")], {})
    with pytest.raises(InfrastructureError, match=r"(?s)status 127.*cannot start '.*absent': No such file"):
        with running(absent, free_port(), tmp_path / "log", 30):
            pass


def test_a_server_that_is_never_ready_is_given_up(tmp_path, started):
    idle = ServerCommand([sys.executable, "-c", "import time; time.sleep(600)", str(tmp_path)], {})
    with pytest.raises(InfrastructureError, match=r"not ready within 1 s \(server.startup_timeout_s\)"):
        with running(idle, free_port(), tmp_path / "log", 1):
            pass
    assert started() == []
