"""A server, or replicas of it, that all jobs of a workflow share.

Each job holds a *lease* while it may send requests to the server: a shared lock on a file, which the kernel releases when
the job ends, for whatever reason. The first job starts a server supervisor (:mod:`.supervisor`), which owns the server
and stops it when it is no longer needed. Each server has a directory with these files:

* ``lease``: locked by every job that uses the server. `fcntl.flock`, since it has shared locks; those of the package
  filelock (``ReadWriteLock``) are transactions of an SQLite database.
* ``start.lock``: held by the job that finds or starts the server.
* ``supervisor.lock``: held by the supervisor as long as it runs.
* ``state.json``: the URLs of the server and its replicas, or the error with which it failed to start; written by the supervisor.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from selfalign.core.checkpoint import read_identity
from selfalign.core.config.serving import ServerConfig
from selfalign.core.errors import InfrastructureError
from selfalign.core.hashing import json_sha256
from selfalign.serving.process import log_tail

logger = logging.getLogger(__name__)

# Interval at which a job checks whether the server is ready, in seconds.
POLL_S = 0.1


@contextlib.contextmanager
def shared_server(
    server: ServerConfig,
    checkpoint: str | Path,
    name: str,
    state: Path,
    logs: Path,
    *,
    adapter: str | Path | None = None,
) -> Iterator[list[str]]:
    """Yield the base URLs of the shared server of a checkpoint and its replicas; start them if they are not running.

    Args:
        server: the configured server.
        checkpoint: directory of the model's checkpoint.
        name: name under which the server serves the model.
        state: directory with a subdirectory for each server.
        logs: directory of the servers' logs.
        adapter: directory of a LoRA adapter to serve on top of the checkpoint; None: the checkpoint alone.

    Raises:
        InfrastructureError: the server could not be started; the message quotes its last log lines.
    """
    label = Path(adapter or checkpoint).name
    decides = [server.model_dump(), name]
    for directory in filter(None, (checkpoint, adapter)):
        decides += [read_identity(directory), str(Path(directory).resolve())]
    home = state / f"{label}-{json_sha256(decides)[:16]}"
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lease").open("a") as lease:
        fcntl.flock(lease, fcntl.LOCK_SH)
        with FileLock(home / "start.lock"):
            urls = _running_urls(home) or _start_supervisor(
                server, checkpoint, name, home, logs / f"{label}.log", adapter=adapter
            )
        yield urls


@contextlib.contextmanager
def without_leases(home: Path) -> Iterator[bool]:
    """Yield True if no job holds a lease on a server, in which case none can acquire one inside the block; else False.

    Args:
        home: directory of the server's state.
    """
    with (home / "lease").open("a") as lease:
        try:
            fcntl.flock(lease, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def supervisor_lock(home: Path) -> FileLock:
    """Return the lock that the supervisor of a server holds as long as it runs.

    Args:
        home: directory of the server's state.
    """
    return FileLock(home / "supervisor.lock")


def _running_urls(home: Path) -> list[str] | None:
    """Return the URLs of the servers if their supervisor is running, or None."""
    try:
        with supervisor_lock(home).acquire(timeout=0):
            return None
    except Timeout:
        return _read_state(home).get("urls")


def _start_supervisor(
    server: ServerConfig,
    checkpoint: str | Path,
    name: str,
    home: Path,
    log: Path,
    *,
    adapter: str | Path | None,
) -> list[str]:
    """Start a supervisor and wait until its servers are ready; return their URLs."""
    (home / "state.json").unlink(missing_ok=True)
    task = {
        "server": server.model_dump(),
        "checkpoint": str(checkpoint),
        "adapter": str(adapter) if adapter else None,
        "name": name,
        "home": str(home),
        "log": str(log),
        "workflow": os.getppid(),
    }
    supervisor = subprocess.Popen(
        [sys.executable, "-P", "-m", "selfalign.serving.supervisor", json.dumps(task)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    logger.info("starting the model server; its log is %s", log)
    while True:
        state = _read_state(home)
        if "urls" in state:
            return state["urls"]
        if "error" in state:
            raise InfrastructureError(state["error"])
        if (status := supervisor.poll()) is not None:
            raise InfrastructureError(
                f"the supervisor of the model server ended with status {status}; "
                f"the server's last lines ({log}):\n{log_tail(log)}"
            )
        time.sleep(POLL_S)


def _read_state(home: Path) -> dict[str, Any]:
    try:
        return json.loads((home / "state.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
