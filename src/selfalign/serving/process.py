"""Start a server process under a guard, wait until it is ready, and stop it."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx

from selfalign.core.errors import InfrastructureError
from selfalign.serving.command import HOST, ServerCommand
from selfalign.serving.guard import CLEANUP_TIMEOUT_S, STOP_GRACE_S, run_cleanup

logger = logging.getLogger(__name__)

# Lines of a server's log that an error message quotes.
TAIL_LINES = 15
# How often a starting server is asked whether it is ready, and how long one answer may take, in seconds.
READY_POLL_S = 0.25
READY_TIMEOUT_S = 2.0


def free_port() -> int:
    """Return a TCP port of the loopback interface that is free now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def running(
    command: ServerCommand,
    port: int,
    log: Path,
    timeout_s: float,
    cancelled: Callable[[], bool] = lambda: False,
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a server, wait until it is ready, and stop it with all its processes when the block ends.

    It is also stopped when this process is killed, see :mod:`selfalign.serving.guard`. The block gets the guard's
    process, which ends when the server does.

    Args:
        command: how to start the server.
        port: the port that the server listens on.
        log: file to which the server's output is appended; its directory is made.
        timeout_s: longest time until the server is ready, in seconds.
        cancelled: asked while waiting; True stops the wait.

    Raises:
        InfrastructureError: the server ended or was not ready in time; quotes its last log lines.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        guard = subprocess.Popen(
            [sys.executable, "-m", "selfalign.serving.guard", json.dumps(command.cleanup), *command.argv],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **command.env},
            # A Ctrl-C in the terminal reaches the jobs, which then stop their server.
            start_new_session=True,
        )
    try:
        _wait_until_ready(guard, f"http://{HOST}:{port}{command.ready_path}", log, timeout_s, cancelled)
        yield guard
    finally:
        _stop(guard, command)


def log_tail(log: Path, lines: int = TAIL_LINES) -> str:
    """Return the end of a server's log, or a note that it is empty.

    Args:
        log: the file.
        lines: number of lines.
    """
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    return "\n".join(text.splitlines()[-lines:]) or "(the server wrote nothing)"


def _stop(guard: subprocess.Popen[bytes], command: ServerCommand) -> None:
    """Have the guard stop its server; where the guard was killed, do what is left of its work."""
    assert guard.stdin is not None
    guard.stdin.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        guard.wait(timeout=2 * STOP_GRACE_S + CLEANUP_TIMEOUT_S)
    if guard.returncode is None or guard.returncode < 0:
        # The server and most of what it started are in the guard's process group.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(guard.pid, signal.SIGKILL)
        guard.wait()
        run_cleanup(command.cleanup)


def _wait_until_ready(
    guard: subprocess.Popen[bytes], url: str, log: Path, timeout_s: float, cancelled: Callable[[], bool]
) -> None:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if (status := guard.poll()) is not None:
            raise InfrastructureError(
                f"the model server ended with status {status} before it was ready; "
                f"its last lines ({log}):\n{log_tail(log)}"
            )
        if cancelled():
            raise InfrastructureError(
                "the model server is no longer needed: the jobs and the workflow have ended"
            )
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(url, timeout=READY_TIMEOUT_S).status_code == httpx.codes.OK:
                logger.info("the model server is ready: %s answers", url)
                return
        time.sleep(READY_POLL_S)
    raise InfrastructureError(
        f"the model server was not ready within {timeout_s:.0f} s (server.startup_timeout_s); "
        f"its last lines ({log}):\n{log_tail(log)}"
    )
