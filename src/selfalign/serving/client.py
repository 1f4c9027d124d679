"""Open a client of the configured model, and start its server when a request has to be sent."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from selfalign.client import Client, default_endpoints, open_client
from selfalign.core.checkpoint import model_identity
from selfalign.core.config import Config
from selfalign.core.errors import ConfigError
from selfalign.serving.command import HOST, server_command
from selfalign.serving.process import free_port, running
from selfalign.serving.shared import shared_server


@contextlib.contextmanager
def served_client(
    config: Config, checkpoint: str | Path | None, *, tuned: bool = False
) -> Iterator[tuple[Client, str]]:
    """Open a client of a model, and give it with the model's identity.

    A server is started, or an external one looked for, when the first request has to be sent: a job that the completion cache
    answers whole needs none.

    Args:
        config: the configuration.
        checkpoint: directory of the model's checkpoint; None where an external server has it.
        tuned: use the model fine-tuned by this run, served under the name of its directory; otherwise the base model,
            served under ``model.name``.

    Raises:
        DataError: `checkpoint` is no checkpoint.
    """
    identity = model_identity(config.model, checkpoint, tuned=tuned)
    name = Path(checkpoint or "tuned").name if tuned else config.model.name
    with contextlib.ExitStack() as servers:
        with open_client(
            lambda: servers.enter_context(endpoints(config, checkpoint, name)),
            name,
            identity=identity,
            cache=Path(config.paths.completion_cache),
            settings=config.client,
        ) as client:
            yield client, identity


@contextlib.contextmanager
def endpoints(config: Config, checkpoint: str | Path | None, name: str) -> Iterator[list[str]]:
    """Give the base URLs of servers that offer a model, for as long as the block runs.

    External servers are those of ``server.endpoints``, or else the one that OPENAI_BASE_URL names.

    Args:
        config: the configuration.
        checkpoint: directory of the model's checkpoint; not needed for ``server.kind: external``.
        name: name under which a server that is started offers the model.

    Raises:
        ConfigError: what the configured kind of server needs is not installed, or there is no checkpoint.
        InfrastructureError: the server could not be started; quotes its last log lines.
    """
    server = config.server
    if server.kind == "external":
        yield list(server.endpoints) or default_endpoints()
        return
    if checkpoint is None:
        raise ConfigError(
            f"configuration: 'server.kind' is '{server.kind}', which needs a checkpoint to serve"
        )
    run = Path(config.paths.results) / config.run
    logs = run / "logs/server"
    if server.lifetime == "job":
        port = free_port()
        log = logs / f"{Path(checkpoint).name}-job-{os.getpid()}.log"
        with running(server_command(server, checkpoint, name, port), port, log, server.startup_timeout_s):
            yield [f"http://{HOST}:{port}/v1"]
        return
    with shared_server(server, checkpoint, name, run / ".servers", logs) as url:
        yield [url]
