"""vLLM in a container: the command for each engine. Models are mounted read-only, the port is the host's."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from selfalign.core.config.serving import ServerConfig
from selfalign.core.errors import ConfigError
from selfalign.serving.command import ServerCommand, vllm_arguments

INSIDE = "/model"
# The same in every image, whatever its entry point is.
SERVER = ("-m", "vllm.entrypoints.openai.api_server")


def container_command(
    config: ServerConfig, checkpoint: str | Path, names: Sequence[str], port: int
) -> ServerCommand:
    """Return the command that serves `checkpoint` from a vLLM image.

    The engine stays in the foreground and passes SIGTERM on, so ending it ends the server. Where the engine had
    to be killed, its container lives on, and is removed by its name.

    Raises:
        ConfigError: the container engine is not installed.
    """
    engine = config.container.engine
    if shutil.which(engine) is None:
        raise ConfigError(
            f"configuration: 'server.container.engine' is '{engine}', but no such command is on PATH; "
            "install it or use server.kind 'vllm' or 'external'"
        )
    dtype = "bfloat16" if config.dtype == "auto" else config.dtype
    source = str(Path(checkpoint).resolve())
    arguments = ["--host", "127.0.0.1", *vllm_arguments(config, INSIDE, names, port, dtype)]
    env = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "HF_HUB_OFFLINE": "1"}
    if engine == "apptainer":
        return ServerCommand(_apptainer(config, source, env) + arguments, {})
    name = f"selfalign-vllm-{port}"
    argv = _docker(config, source, env, name)
    return ServerCommand(argv + arguments, {}, after=(engine, "rm", "--force", name))


def _docker(config: ServerConfig, source: str, env: dict[str, str], name: str) -> list[str]:
    gpus = config.container.gpus
    argv = [config.container.engine, "run", "--rm", "--init", "--name", name]
    argv += ["--network", "host", "--ipc", "host", "--volume", f"{source}:{INSIDE}:ro"]
    for variable, value in env.items():
        argv += ["--env", f"{variable}={value}"]
    if gpus != "none":
        if config.container.engine == "podman":
            devices = ["all"] if gpus == "all" else gpus.split(",")
            for device in devices:
                argv += ["--device", f"nvidia.com/gpu={device}"]
        else:
            argv += ["--gpus", gpus if gpus == "all" else f'"device={gpus}"']
    return [*argv, "--entrypoint", "python3", config.container.image, *SERVER]


def _apptainer(config: ServerConfig, source: str, env: dict[str, str]) -> list[str]:
    image = config.container.image
    if not image.endswith(".sif") and "://" not in image:
        image = f"docker://{image}"
    argv = ["apptainer", "exec", "--containall", "--bind", f"{source}:{INSIDE}:ro"]
    visible = (
        {} if config.container.gpus in {"all", "none"} else {"CUDA_VISIBLE_DEVICES": config.container.gpus}
    )
    for name, value in {**env, **visible}.items():
        argv += ["--env", f"{name}={value}"]
    if config.container.gpus != "none":
        argv.append("--nv")
    return [*argv, image, "python3", *SERVER]
