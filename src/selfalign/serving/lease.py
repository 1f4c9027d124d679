"""How jobs share a server: whoever holds a lease keeps it alive.

A lease is a shared lock on a file, so it ends with its holder however that dies. The keeper (:mod:`.keeper`)
owns the server and goes away once nobody has held a lease for a while, or at once when the workflow that
started it is gone.
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

from selfalign.client.endpoints import default_endpoints
from selfalign.core.checkpoint import read_identity
from selfalign.core.config import Config
from selfalign.core.config.serving import ServerConfig
from selfalign.core.errors import ConfigError, InfrastructureError
from selfalign.core.hashing import json_sha256
from selfalign.serving.command import server_command
from selfalign.serving.process import free_port, log_tail, running

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def endpoints(
    config: Config, checkpoint: str | Path | None, logs: str | Path | None = None
) -> Iterator[list[str]]:
    """Give the base URLs of servers that offer the model of `checkpoint`, for as long as the block runs.

    External ones are the configured ones, or else what OPENAI_BASE_URL says.
    Local servers offer it under the name of the directory and under ``model.name``.

    Args:
        checkpoint: the checkpoint directory; not needed for ``server.kind: external``.
        logs: directory for the logs of servers we start; default: beside the run's other logs.

    Raises:
        InfrastructureError: the server could not be started; has its last log lines.
        ConfigError: a kind that is not installed.
    """
    server = config.server
    if server.kind == "external":
        yield list(server.endpoints) or default_endpoints()
        return
    if checkpoint is None:
        raise ConfigError(f"configuration: 'server.kind' is '{server.kind}'; it needs a checkpoint to serve")
    names = list(dict.fromkeys([Path(checkpoint).name, config.model.name]))
    root = Path(config.paths.results) / config.run
    log_directory = Path(logs) if logs else root / "logs" / "server"
    if server.lifetime == "job":
        port = free_port()
        log = log_directory / f"{names[0]}-job-{os.getpid()}.log"
        command = server_command(server, checkpoint, names, port)
        with running(command, port, log, server.startup_timeout_s):
            yield [f"http://127.0.0.1:{port}/v1"]
        return
    with shared_server(server, checkpoint, names, root / ".servers", log_directory) as url:
        yield [url]


@contextlib.contextmanager
def shared_server(
    server: ServerConfig, checkpoint: str | Path, names: list[str], state: Path, logs: Path
) -> Iterator[str]:
    """Give the base URL of the one server of `checkpoint`, starting its keeper where there is none.

    Args:
        state: directory of the lease files and the keepers' state.
    """
    key = json_sha256([server.model_dump(), read_identity(checkpoint), str(Path(checkpoint).resolve())])[:16]
    home = state / f"{names[0]}-{key}"
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lease").open("a") as lease:
        fcntl.flock(lease, fcntl.LOCK_SH)
        with (home / "start").open("a") as starting:
            fcntl.flock(starting, fcntl.LOCK_EX)
            url = _url_of_living(home) or _start_keeper(
                server, checkpoint, names, home, logs / f"{names[0]}.log"
            )
        yield url


def _url_of_living(home: Path) -> str | None:
    """Return the URL of the keeper's server, if the keeper lives (it holds a lock as long as it does)."""
    with (home / "alive").open("a") as alive:
        try:
            fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return _read_state(home).get("url")
        return None


def _start_keeper(
    server: ServerConfig, checkpoint: str | Path, names: list[str], home: Path, log: Path
) -> str:
    (home / "state.json").unlink(missing_ok=True)
    job = {
        "server": server.model_dump(),
        "checkpoint": str(checkpoint),
        "names": names,
        "home": str(home),
        "log": str(log),
        "owner": os.getppid(),
    }
    keeper = subprocess.Popen(
        [sys.executable, "-m", "selfalign.serving.keeper", json.dumps(job)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    logger.info("starting the model server; its log is %s", log)
    while True:
        state = _read_state(home)
        if "url" in state:
            return state["url"]
        if "error" in state:
            raise InfrastructureError(state["error"])
        if (status := keeper.poll()) is not None:
            raise InfrastructureError(
                f"the keeper of the model server ended with status {status}; last lines ({log}):\n{log_tail(log)}"
            )
        time.sleep(0.1)


def _read_state(home: Path) -> dict[str, str]:
    try:
        return json.loads((home / "state.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
