"""Client of the configured model, whose server is started when a request has to be sent."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from selfalign.client import Client, default_endpoints, open_client
from selfalign.core.checkpoint import is_adapter, model_identity
from selfalign.core.config import Config
from selfalign.core.errors import ConfigError
from selfalign.serving.process import all_running, replicas
from selfalign.serving.shared import shared_server


@contextlib.contextmanager
def served_client(
    config: Config,
    checkpoint: str | Path | None,
    *,
    tuned: bool = False,
    base: str | Path | None = None,
) -> Iterator[tuple[Client, str]]:
    """Yield a client of a model, and the identity of the model.

    A server is started, or an external one contacted, when the first request has to be sent. A job whose completions are
    all cached needs no server.

    Args:
        config: the configuration.
        checkpoint: directory of the model's checkpoint; None if an external server has it.
        tuned: use the model fine-tuned by this run, served under the name of its directory; otherwise the base model,
            served under ``model.name``.
        base: directory of the base model, needed if `checkpoint` is a LoRA adapter.

    Raises:
        DataError: `checkpoint` is not a checkpoint directory.
    """
    identity = model_identity(config.model, checkpoint, tuned=tuned)
    name = Path(checkpoint or "tuned").name if tuned else config.model.name
    with contextlib.ExitStack() as servers:
        with open_client(
            lambda: servers.enter_context(endpoints(config, checkpoint, name, base)),
            name,
            identity=identity,
            cache=Path(config.paths.completion_cache),
            settings=config.client,
        ) as client:
            yield client, identity


@contextlib.contextmanager
def endpoints(
    config: Config, checkpoint: str | Path | None, name: str, base: str | Path | None = None
) -> Iterator[list[str]]:
    """Yield the base URLs of servers that serve a model; servers that were started are stopped after the block.

    External servers are those of ``server.endpoints`` or, if empty, of OPENAI_BASE_URL.

    Args:
        config: the configuration.
        checkpoint: directory of the model's checkpoint; not needed for ``server.kind: external``.
        name: name under which a started server serves the model.
        base: directory of the base model, needed if `checkpoint` is a LoRA adapter.

    Raises:
        ConfigError: a program that the server needs is not installed, or there is no checkpoint or no base model.
        InfrastructureError: the server could not be started; the message quotes its last log lines.
    """
    server = config.server
    if server.kind == "external":
        yield list(server.endpoints) or default_endpoints()
        return
    if checkpoint is None:
        raise ConfigError(
            f"configuration: 'server.kind' is '{server.kind}', which needs a checkpoint to serve"
        )
    adapter = checkpoint if is_adapter(checkpoint) else None
    if adapter is not None:
        if base is None:
            raise ConfigError(
                f"{adapter} is a LoRA adapter, which is served with its base model; none was given"
            )
        checkpoint = base
    run = Path(config.paths.results) / config.run
    logs = run / "logs/server"
    if server.lifetime == "job":
        log = logs / f"{Path(adapter or checkpoint).name}-job-{os.getpid()}.log"
        servers = replicas(server, checkpoint, name, log, adapter)
        with all_running(servers, server.startup_timeout_s):
            yield [each.url for each in servers]
        return
    with shared_server(server, checkpoint, name, run / ".servers", logs, adapter=adapter) as urls:
        yield urls
