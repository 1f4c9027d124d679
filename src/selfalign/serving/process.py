"""Server processes, each under a guard that stops it with all its processes when its owner ends.

    python -m selfalign.serving.process CLEANUP COMMAND ...

runs COMMAND under a guard. Its standard input is a pipe whose other end the owner holds and never writes to. The kernel
closes the pipe when the owner ends, also on SIGKILL or by the out-of-memory killer, so a server cannot outlive the
workflow. A death signal (PR_SET_PDEATHSIG) from owner to server would not suffice: it reaches only the first process of
the server, not its workers.

CLEANUP is a JSON list: a command to run after the server has ended, such as the removal of its container; may be empty.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn

import httpx
import psutil

from selfalign.core.errors import InfrastructureError
from selfalign.core.process import die_with_parent
from selfalign.serving.command import HOST, ServerCommand

logger = logging.getLogger(__name__)

# Lines of a server's log that an error message quotes.
TAIL_LINES = 15
# Interval at which a starting server is polled, and time limit of each request, in seconds.
READY_POLL_S = 0.25
READY_TIMEOUT_S = 2.0
# Time limits of processes after SIGTERM, before they are killed, and of the cleanup command, in seconds.
STOP_GRACE_S = 10.0
CLEANUP_TIMEOUT_S = 60.0
# Interval at which the guard checks whether the server still runs, in seconds.
GUARD_POLL_S = 0.25
# Exit status if the command cannot be started, as in a shell.
CANNOT_START = 127
PR_SET_CHILD_SUBREAPER = 36


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

    It is also stopped when this process is killed. Yields the process of the guard, which ends when the server does.

    Args:
        command: how to start the server.
        port: the port that the server listens on.
        log: file to which the server's output is appended; its directory is created.
        timeout_s: longest time until the server is ready, in seconds.
        cancelled: polled while waiting; True stops the wait.

    Raises:
        InfrastructureError: the server ended or was not ready in time; quotes its last log lines.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        guard = subprocess.Popen(
            [
                sys.executable,
                "-P",
                "-m",
                "selfalign.serving.process",
                json.dumps(command.cleanup),
                *command.argv,
            ],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=command.environment(),
            # Ctrl-C in the terminal is sent to the jobs, which then stop their server.
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
    """Let the guard stop its server; if the guard was killed, do the rest of its work."""
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


def guard(command: Sequence[str], cleanup: Sequence[str]) -> int:
    """Run `command` until it ends or standard input is closed; return its exit status (128 + N for signal N).

    Args:
        command: program and arguments.
        cleanup: command to run after the server has ended; empty for none.
    """
    # Orphaned descendants become children of this process, so that `stop_descendants` finds them.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    try:
        server = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            # If the guard is killed, so is the server; the owner kills the rest of its process group.
            preexec_fn=lambda: die_with_parent(signal.SIGKILL),  # noqa: PLW1509 - the guard has no threads
        )
    except OSError as error:
        print(f"cannot start '{command[0]}': {error.strerror or error}", file=sys.stderr)
        return CANNOT_START
    try:
        while server.poll() is None and not select.select([sys.stdin], [], [], GUARD_POLL_S)[0]:
            pass
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        stop_descendants()
        run_cleanup(cleanup)
    status = server.wait()
    return status if status >= 0 else 128 - status


def stop_descendants() -> None:
    """Stop all descendants of this process: by SIGTERM, and after a grace period by SIGKILL."""
    family = psutil.Process().children(recursive=True)
    _signal_each(family, signal.SIGTERM)
    _, alive = psutil.wait_procs(family, timeout=STOP_GRACE_S)
    # Including those started in the meantime.
    family = list({*alive, *psutil.Process().children(recursive=True)})
    _signal_each(family, signal.SIGKILL)
    psutil.wait_procs(family, timeout=STOP_GRACE_S)


def run_cleanup(command: Sequence[str]) -> None:
    """Run a cleanup command; failures are ignored, since usually nothing is left to remove.

    Args:
        command: program and arguments; empty for none.
    """
    if command:
        with contextlib.suppress(subprocess.TimeoutExpired, OSError):
            subprocess.run(command, check=False, capture_output=True, timeout=CLEANUP_TIMEOUT_S)


def _signal_each(processes: Sequence[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def _end(number: int, _: object) -> NoReturn:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _end)
    sys.exit(guard(sys.argv[2:], json.loads(sys.argv[1])))
