"""One server process: started, waited for, ended with everything it started."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil

from selfalign.core.errors import InfrastructureError
from selfalign.serving.command import ServerCommand

logger = logging.getLogger(__name__)

STOP_GRACE_S = 10.0
AFTER_S = 60.0
TAIL_LINES = 15


def free_port() -> int:
    """Return a loopback TCP port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def running(
    command: ServerCommand,
    port: int,
    log: Path,
    timeout_s: float,
    abandoned: Callable[[], bool] = lambda: False,
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a server, wait until it is healthy, and end it and all its children when the block ends.

    Args:
        log: file that gets the server's output.
        timeout_s: longest wait for health, in seconds.
        abandoned: asked while waiting; True gives up at once.

    Raises:
        InfrastructureError: the server ended or did not become healthy in time; has its last log lines.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as sink:
        process = subprocess.Popen(
            command.argv,
            stdout=sink,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **command.env},
            start_new_session=True,
        )
        try:
            _wait_healthy(process, f"http://127.0.0.1:{port}{command.health}", log, timeout_s, abandoned)
            yield process
        finally:
            end_tree(process)
            if command.after:
                # An engine that hangs must not hide the error.
                with contextlib.suppress(subprocess.TimeoutExpired):
                    subprocess.run(command.after, check=False, capture_output=True, timeout=AFTER_S)


def end_tree(process: subprocess.Popen[bytes]) -> None:
    """End `process` and every descendant: politely, and after a grace period by SIGKILL."""
    with contextlib.suppress(psutil.NoSuchProcess):
        family = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        _, alive = psutil.wait_procs(family, timeout=STOP_GRACE_S)
        for each in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        psutil.wait_procs(alive, timeout=STOP_GRACE_S)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=1)


def log_tail(log: Path, lines: int = TAIL_LINES) -> str:
    """Return the last lines of a log file, or a note that it is empty."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    return "\n".join(text.splitlines()[-lines:]) or "(the server wrote nothing)"


def _wait_healthy(
    process: subprocess.Popen[bytes], url: str, log: Path, timeout_s: float, abandoned: Callable[[], bool]
) -> None:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if (status := process.poll()) is not None:
            raise InfrastructureError(
                f"the model server ended with status {status} before it was ready; "
                f"its last lines ({log}):\n{log_tail(log)}"
            )
        if abandoned():
            raise InfrastructureError("nobody waits for the model server any more")
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(url, timeout=2).status_code == httpx.codes.OK:
                logger.info("server is ready at %s", url)
                return
        time.sleep(0.25)
    raise InfrastructureError(
        f"the model server was not ready within {timeout_s:.0f} s (server.startup_timeout_s); "
        f"its last lines ({log}):\n{log_tail(log)}"
    )
