"""Whether the released model can generate samples on this machine, for `snakemake reproduce`."""

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

# Parameters of StarCoder2-15B-Instruct, in billions.
BILLIONS = 16
TIMEOUT_S = 5


@dataclass(frozen=True)
class Decision:
    """Whether the released model generates new samples.

    Attributes:
        anew: whether it generates new samples.
        why: the reason.
    """

    anew: bool
    why: str


def server_problem(server: ServerConfig) -> str | None:
    """Return why the configured server cannot use a GPU of this machine, or None.

    Args:
        server: configuration of the model server.
    """
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
    """Return why a model is not available, or None if it is in the local hub cache or the hub offers it.

    Args:
        model: configuration of the model.
    """
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
        return "no NVIDIA GPU is visible"
    needed = BILLIONS * GIB_PER_BILLION / number + CACHE_GIB
    fit = [gpu for gpu in gpus if gpu.memory_gib >= needed]
    if len(fit) >= number:
        return None
    seen = ", ".join(f"{gpu.name} ({gpu.memory_gib:.0f} GiB)" for gpu in gpus)
    return f"it needs {number} GPU(s) with {needed:.0f} GiB each; visible: {seen}"


def decide(
    config: Config,
    *,
    gpus: Callable[[], Sequence[Gpu]] = visible_gpus,
    server: Callable[[ServerConfig], str | None] = server_problem,
    hub: Callable[[ModelConfig], str | None] = hub_problem,
) -> Decision:
    """Return whether the released model generates new samples on this machine.

    The probes run in order and stop at the first obstacle, so that the network is not used without a GPU.

    Args:
        config: configuration of the released model.
        gpus: returns the available GPUs.
        server: returns why the configured server cannot use one, or None.
        hub: returns why the model cannot be downloaded, or None.
    """
    setting = config.reproduction.released_model
    if setting != "auto":
        return Decision(setting == "always", f"reproduction.released_model is '{setting}'")
    problem = (
        _gpu_problem(gpus(), config.server.tensor_parallel) or server(config.server) or hub(config.model)
    )
    return Decision(
        problem is None, problem or "a GPU with enough memory is visible, and the model is available"
    )
