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
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import httpx
import psutil

from selfalign.core.config.serving import ServerConfig
from selfalign.core.errors import InfrastructureError
from selfalign.core.process import die_with_parent
from selfalign.serving.command import HOST, ServerCommand, server_command

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


@dataclass(frozen=True)
class Server:
    """A server to be started.

    Attributes:
        command: how to start it.
        port: the port that it listens on.
        log: file to which its output is appended; its directory is created.
    """

    command: ServerCommand
    port: int
    log: Path

    @property
    def url(self) -> str:
        """Base URL of the API."""
        return f"http://{HOST}:{self.port}/v1"


def free_ports(count: int) -> list[int]:
    """Return different TCP ports of the loopback interface that are free now.

    Args:
        count: their number.
    """
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((HOST, 0))
        return [probe.getsockname()[1] for probe in probes]


def free_port() -> int:
    """Return a TCP port of the loopback interface that is free now."""
    return free_ports(1)[0]


def replicas(
    config: ServerConfig, checkpoint: str | Path, name: str, log: Path, adapter: str | Path | None
) -> list[Server]:
    """Return the servers of a model to be started on this machine, `config.replicas` of them.

    Args:
        config: the configured server.
        checkpoint: directory of the model's checkpoint.
        name: name under which the servers serve the model.
        log: log file of the first server; those of the others have their numbers in their names.
        adapter: directory of a LoRA adapter to serve on top of the checkpoint; None: the checkpoint alone.

    Raises:
        ConfigError: a server cannot be started with this configuration on this machine.
    """
    return [
        Server(
            server_command(config, checkpoint, name, port, adapter, replica=number),
            port,
            log.with_stem(f"{log.stem}-{number}") if number else log,
        )
        for number, port in enumerate(free_ports(config.replicas))
    ]


@contextlib.contextmanager
def running(
    command: ServerCommand,
    port: int,
    log: Path,
    timeout_s: float,
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a server, wait until it is ready, and stop it with all its processes when the block ends.

    It is also stopped when this process is killed. Yields the process of the guard, which ends when the server does.

    Args:
        command: how to start the server.
        port: the port that the server listens on.
        log: file to which the server's output is appended; its directory is created.
        timeout_s: longest time until the server is ready, in seconds.

    Raises:
        InfrastructureError: the server ended or was not ready in time; quotes its last log lines.
    """
    with all_running([Server(command, port, log)], timeout_s) as (guard,):
        yield guard


@contextlib.contextmanager
def all_running(
    servers: Sequence[Server], timeout_s: float, cancelled: Callable[[], bool] = lambda: False
) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Start servers together, wait until all are ready, and stop all when the block ends; see :func:`running`.

    Yields the processes of the guards, in the order of `servers`.

    Args:
        servers: the servers.
        timeout_s: longest time until all are ready, in seconds.
        cancelled: polled while waiting; True stops the wait.

    Raises:
        InfrastructureError: a server ended or was not ready in time; quotes its last log lines.
    """
    guards: list[subprocess.Popen[bytes]] = []
    try:
        for server in servers:
            guards.append(_start(server))
        _wait_until_ready(servers, guards, timeout_s, cancelled)
        yield guards
    finally:
        _stop(guards, servers)


def log_tail(log: Path, lines: int = TAIL_LINES) -> str:
    """Return the end of a server's log, or a note that it is empty.

    Args:
        log: the file.
        lines: number of lines.
    """
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    return "\n".join(text.splitlines()[-lines:]) or "(the server wrote nothing)"


def _start(server: Server) -> subprocess.Popen[bytes]:
    """Start a server under a guard; return the guard."""
    server.log.parent.mkdir(parents=True, exist_ok=True)
    program = [sys.executable, "-P", "-m", "selfalign.serving.process"]
    with server.log.open("ab") as output:
        return subprocess.Popen(
            [*program, json.dumps(server.command.cleanup), *server.command.argv],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=server.command.environment(),
            # Ctrl-C in the terminal is sent to the jobs, which then stop their server.
            start_new_session=True,
        )


def _stop(guards: Sequence[subprocess.Popen[bytes]], servers: Sequence[Server]) -> None:
    """Let the guards stop their servers, all at the same time; if a guard was killed, do the rest of its work."""
    for guard in guards:
        assert guard.stdin is not None
        guard.stdin.close()
    # The first guards that are waited for take the time, and the others end meanwhile. Fewer than `servers` if a guard
    # could not be started.
    for guard, server in zip(guards, servers, strict=False):
        with contextlib.suppress(subprocess.TimeoutExpired):
            guard.wait(timeout=2 * STOP_GRACE_S + CLEANUP_TIMEOUT_S)
        if guard.returncode is None or guard.returncode < 0:
            # The server and most of what it started are in the guard's process group.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(guard.pid, signal.SIGKILL)
            guard.wait()
            run_cleanup(server.command.cleanup)


def _wait_until_ready(
    servers: Sequence[Server],
    guards: Sequence[subprocess.Popen[bytes]],
    timeout_s: float,
    cancelled: Callable[[], bool],
) -> None:
    deadline = time.monotonic() + timeout_s
    waiting = list(servers)
    while time.monotonic() < deadline:
        for server, guard in zip(servers, guards, strict=True):
            if (status := guard.poll()) is not None:
                raise InfrastructureError(
                    f"the model server ended with status {status} before it was ready; "
                    f"its last lines ({server.log}):\n{log_tail(server.log)}"
                )
        if cancelled():
            raise InfrastructureError(
                "the model server is no longer needed: the jobs and the workflow have ended"
            )
        waiting = [server for server in waiting if not _is_ready(server)]
        if not waiting:
            return
        time.sleep(READY_POLL_S)
    log = waiting[0].log
    raise InfrastructureError(
        f"the model server was not ready within {timeout_s:.0f} s (server.startup_timeout_s); "
        f"its last lines ({log}):\n{log_tail(log)}"
    )


def _is_ready(server: Server) -> bool:
    url = f"http://{HOST}:{server.port}{server.command.ready_path}"
    with contextlib.suppress(httpx.HTTPError):
        if httpx.get(url, timeout=READY_TIMEOUT_S).status_code == httpx.codes.OK:
            logger.info("the model server is ready: %s answers", url)
            return True
    return False


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
