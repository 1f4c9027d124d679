"""Whether the released model can answer on this machine: what `snakemake reproduce` does on its own."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from selfalign.core.config import Config
from selfalign.core.config.model import ModelConfig
from selfalign.core.config.serving import ServerConfig
from selfalign.core.errors import SelfalignError
from selfalign.doctor.capabilities import CACHE_GIB, GIB_PER_BILLION
from selfalign.doctor.facts import Gpu, visible_gpus
from selfalign.hub import cached_checkpoint, check_file
from selfalign.serving.command import is_cpu_build

# Parameters of StarCoder2-15B-Instruct, thousand millions.
BILLIONS = 16
TIMEOUT_S = 5


@dataclass(frozen=True)
class Decision:
    """Whether the released model is to answer anew, and why or why not."""

    anew: bool
    why: str


def server_problem(server: ServerConfig) -> str | None:
    """Return what keeps the configured server from running on a GPU of this machine, judged by what is installed."""
    if server.kind == "external":
        return "server.kind is 'external': selfalign does not start the server"
    if server.kind == "command":
        return "server.kind is 'command': whether server.command uses a GPU is not known"
    if server.kind == "container":
        return None
    if importlib.util.find_spec("vllm") is None:
        return "vLLM is not installed"
    return "the installed vLLM is its CPU build" if is_cpu_build() else None


def hub_problem(model: ModelConfig) -> str | None:
    """Return what keeps a model from being had: it is in the hub's cache here, or the hub must answer within seconds."""
    if not (model.id and model.revision):
        return None
    if cached_checkpoint(model.id, model.revision):
        return None
    try:
        check_file("model", model.id, model.revision, "config.json", timeout_s=TIMEOUT_S)
    except SelfalignError as error:
        return str(error)
    return None


def _gpu_problem(gpus: Sequence[Gpu], number: int) -> str | None:
    if not gpus:
        return "no NVIDIA GPU is seen here"
    needed = BILLIONS * GIB_PER_BILLION / number + CACHE_GIB
    fit = [gpu for gpu in gpus if gpu.memory_gib >= needed]
    if len(fit) >= number:
        return None
    seen = ", ".join(f"{gpu.name} ({gpu.memory_gib:.0f} GiB)" for gpu in gpus)
    return f"it needs {number} GPU(s) with {needed:.0f} GiB each; seen: {seen}"


def decide(
    config: Config,
    *,
    gpus: Callable[[], Sequence[Gpu]] = visible_gpus,
    server: Callable[[ServerConfig], str | None] = server_problem,
    hub: Callable[[ModelConfig], str | None] = hub_problem,
) -> Decision:
    """Return what ``reproduction.released_model`` means here.

    Each probe is asked only if those before it found no obstacle, so that the network is left alone without a GPU.

    Args:
        config: the configuration that the released model would be asked with.
        gpus: finds the GPUs.
        server: says what keeps the configured server from running on one, if anything.
        hub: says what keeps the model from being had, if anything.
    """
    wish = config.reproduction.released_model
    if wish != "auto":
        return Decision(wish == "always", f"reproduction.released_model is '{wish}'")
    problem = (
        _gpu_problem(gpus(), config.server.tensor_parallel) or server(config.server) or hub(config.model)
    )
    return Decision(problem is None, problem or "there is a GPU for it, and the model can be had")
