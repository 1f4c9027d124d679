"""The command lines of the servers we start."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from selfalign.core.config.serving import ServerConfig
from selfalign.core.errors import ConfigError

# What limits the threads of the libraries that vLLM's CPU build computes with.
THREAD_LIMITS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True)
class ServerCommand:
    """How to start one server.

    Attributes:
        argv: the command.
        env: variables set beside the inherited ones.
        health: path that answers 200 once the model can be used.
        after: command that removes what may be left when the process is gone.
    """

    argv: list[str]
    env: dict[str, str]
    health: str = "/health"
    after: tuple[str, ...] = ()


def server_command(
    config: ServerConfig, checkpoint: str | Path, names: Sequence[str], port: int
) -> ServerCommand:
    """Return the command that serves `checkpoint` as `names` on the loopback `port`.

    Raises:
        ConfigError: the configured kind of server is not installed, or cannot be started by us.
    """
    if config.kind == "double":
        argv = [sys.executable, "-m", "selfalign.serving.double", "--port", str(port), "--model", names[0]]
        return ServerCommand([*argv, *config.extra_args], {})
    if config.kind == "container":
        from selfalign.serving.container import container_command

        return container_command(config, checkpoint, names, port)
    if config.kind == "vllm":
        return _vllm_command(config, checkpoint, names, port)
    raise ConfigError(f"configuration: 'server.kind' is '{config.kind}'; such a server is not ours to start")


def vllm_arguments(
    config: ServerConfig, checkpoint: str, names: Sequence[str], port: int, dtype: str
) -> list[str]:
    """Return the arguments of vLLM's OpenAI server that all ways of running it share."""
    return [
        "--model", checkpoint,
        "--served-model-name", *names,
        "--port", str(port),
        "--dtype", dtype,
        "--max-model-len", str(config.max_model_len),
        "--max-num-seqs", str(config.max_num_seqs),
        "--tensor-parallel-size", str(config.tensor_parallel),
        "--seed", "0",
        *config.extra_args,
    ]  # fmt: skip


def _vllm_command(
    config: ServerConfig, checkpoint: str | Path, names: Sequence[str], port: int
) -> ServerCommand:
    if importlib.util.find_spec("vllm") is None:
        raise ConfigError(
            "configuration: 'server.kind' is 'vllm', but vLLM is not installed in this environment; "
            "install it (make setup), or use kind 'container' or 'external'"
        )
    cpu = is_cpu_build()
    dtype = config.dtype if config.dtype != "auto" else ("float32" if cpu else "bfloat16")
    # The `vllm` command looks for a distribution of that name, which the CPU build is not: the module works for both.
    argv = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--host", "127.0.0.1"]
    argv += vllm_arguments(config, str(checkpoint), names, port, dtype)
    env = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
    if cpu:
        # vLLM 0.32.0 dies on a CPU when it cuts the prompt of a request that has a seed into chunks (it sets the
        # offset of the request's random generator, which CPU generators do not have), and it cuts when the
        # prompts of one step exceed the budget: a budget for all sequences at full length is never exceeded.
        budget = config.max_model_len * config.max_num_seqs
        argv += ["--enforce-eager", "--max-num-batched-tokens", str(budget)]
        cores = sorted(os.sched_getaffinity(0))
        env |= {
            "VLLM_CPU_KVCACHE_SPACE": str(config.kv_cache_gib),
            # By default the CPU build keeps a core for itself, half of a small machine.
            "VLLM_CPU_NUM_OF_RESERVED_CPU": "0",
            "VLLM_CPU_OMP_THREADS_BIND": ",".join(map(str, cores)),
            # Snakemake gives a job the number of its own threads; the server that it starts is everybody's.
            **dict.fromkeys(THREAD_LIMITS, str(len(cores))),
        }
    if Path(checkpoint).is_dir():
        env["HF_HUB_OFFLINE"] = "1"
    return ServerCommand(argv, env)


def is_cpu_build() -> bool:
    """Whether the installed vLLM is its CPU build."""
    try:
        importlib.metadata.version("vllm-cpu")
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
