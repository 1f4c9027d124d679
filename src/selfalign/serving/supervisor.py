"""The server supervisor: a small process that owns one shared model server, or its replicas.

    python -m selfalign.serving.supervisor TASK

It starts the server, writes its URL (``state.json``, see :mod:`.shared`), and stops it once no job has held a lease
for :data:`IDLE_S` seconds, or as soon as the workflow that started it has ended and no job holds a lease. It has a
session of its own, so that Ctrl-C in the terminal is sent to the jobs only, which use the server until they have ended.

Replicas are started and stopped together. If one of them ends, the others keep serving the jobs that hold leases, and are
stopped as soon as there are none, so that the next job starts a complete set.
"""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

import psutil

from selfalign.core.config.base import validate_section
from selfalign.core.config.serving import ServerConfig
from selfalign.core.errors import SelfalignError
from selfalign.core.jsonl import write_json
from selfalign.serving.process import all_running, replicas
from selfalign.serving.shared import supervisor_lock, without_leases

# Time after which a server without leases is stopped while its workflow runs, in seconds.
IDLE_S = 45.0
# Interval at which the supervisor checks whether the server is needed, in seconds.
POLL_S = 0.25


class Demand:
    """Whether the server is needed: by jobs that hold leases, or by the workflow, which may start more of them.

    Args:
        home: directory of the server's state.
        workflow: process id of the workflow that started the server.
    """

    def __init__(self, home: Path, workflow: int) -> None:
        self._home = home
        self._workflow = _process(workflow)
        self._idle_since: float | None = None

    def has_ended(self) -> bool:
        """Return whether the server can stop: no leases, and the workflow has ended or there were none for :data:`IDLE_S`."""
        with without_leases(self._home) as unused:
            if not unused:
                self._idle_since = None
                return False
        if self._workflow is None or not _is_alive(self._workflow):
            return True
        now = time.monotonic()
        self._idle_since = self._idle_since if self._idle_since is not None else now
        return now - self._idle_since > IDLE_S

    def withdraw(self) -> bool:
        """Remove the servers' URLs, unless a job has acquired a lease in the meantime; return whether it was removed."""
        with without_leases(self._home) as unused:
            if unused:
                (self._home / "state.json").unlink(missing_ok=True)
            return unused


def supervise(task: dict[str, Any]) -> None:
    """Start a server and keep it running while it is needed.

    Args:
        task: the command-line argument of this program, from :mod:`.shared`: the section ``server`` of the
            configuration, ``checkpoint``, ``adapter`` (or None), ``name``, directory of the state (``home``), ``log``,
            and the process id of the ``workflow``.
    """
    home, log = Path(task["home"]), Path(task["log"])
    server = validate_section(ServerConfig, task["server"], "server")
    demand = Demand(home, task["workflow"])
    with supervisor_lock(home):
        try:
            servers = replicas(server, task["checkpoint"], task["name"], log, task["adapter"])
            with all_running(servers, server.startup_timeout_s, demand.has_ended) as processes:
                write_json(home / "state.json", {"urls": [each.url for each in servers]})
                while alive := [each for each in processes if each.poll() is None]:
                    unneeded = demand.has_ended() or len(alive) < len(processes)
                    if unneeded and demand.withdraw():
                        break
                    time.sleep(POLL_S)
                (home / "state.json").unlink(missing_ok=True)
        except SelfalignError as error:
            write_json(home / "state.json", {"error": str(error)})


def _process(pid: int) -> psutil.Process | None:
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid)
    return None


def _is_alive(process: psutil.Process) -> bool:
    """Return whether a process is running; a zombie is not."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _end(number: int, _: object) -> NoReturn:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _end)
    supervise(json.loads(sys.argv[1]))
