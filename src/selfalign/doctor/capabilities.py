"""Assessment of what will work on a machine with given resources."""

from __future__ import annotations

from dataclasses import dataclass

from selfalign.doctor.facts import Facts

# Requirements of the embedded default, as measured. Memory: 4.7 GiB for the server, the rest for the jobs. Disk: 3.4 GiB
# for the environment, the rest for the model, the completion cache and the checkpoints.
DEFAULT_MEMORY_GIB = 8
DEFAULT_DISK_GIB = 6
# Memory for serving: weights in bfloat16, per billion parameters, and the key-value cache of each GPU, in GiB.
GIB_PER_BILLION = 1.86
CACHE_GIB = 4


@dataclass(frozen=True)
class Capability:
    """Whether a feature will work on this machine.

    Attributes:
        what: name of the feature.
        works: whether it will work.
        why: reason, or what to do.
        needed: whether the embedded default requires it.
    """

    what: str
    works: bool
    why: str
    needed: bool = False


def assess(facts: Facts) -> list[Capability]:
    """Return the capabilities of a machine.

    Args:
        facts: resources of the machine.
    """
    return [
        _default(facts),
        _sandbox(facts),
        _index(facts),
        _gpu(facts),
        _containers(facts),
        _slurm(facts),
        _hub(facts),
    ]


def _default(facts: Facts) -> Capability:
    lacks = []
    if facts.memory_gib < DEFAULT_MEMORY_GIB:
        lacks.append(f"{DEFAULT_MEMORY_GIB} GiB of memory, found {facts.memory_gib:.1f}")
    if facts.free_disk_gib < DEFAULT_DISK_GIB:
        lacks.append(f"{DEFAULT_DISK_GIB} GiB of free disk, found {facts.free_disk_gib:.1f}")
    if "vllm" not in facts.modules:
        lacks.append(
            "vLLM in this environment (run `make setup`), or a server of yours (server.kind: external)"
        )
    elif not facts.instructions and not facts.gpus:
        lacks.append("AVX2 for vLLM's CPU build; use a server on another machine (server.kind: external)")
    if lacks:
        return Capability("the embedded default", False, f"needs {'; '.join(lacks)}", needed=True)
    return Capability("the embedded default", True, f"{facts.cores} cores; `make` builds it", needed=True)


def _sandbox(facts: Facts) -> Capability:
    sound = [name for name, problem in facts.runtimes.items() if problem is None]
    if sound:
        return Capability(
            "the sandbox", True, f"auto takes {sound[0]}; sound: {', '.join(sound)}", needed=True
        )
    reasons = "; ".join(f"{name}: {problem}" for name, problem in facts.runtimes.items())
    return Capability("the sandbox", False, f"no runtime passes its self-test ({reasons})", needed=True)


def _index(facts: Facts) -> Capability:
    if "package index" not in facts.indexes:
        return Capability("downloads of packages", True, "not tried")
    problem = facts.indexes["package index"]
    why = (
        "pip's index answers"
        if problem is None
        else f"{problem}; the first build takes its model and seeds from there"
    )
    return Capability("downloads of packages", problem is None, why)


def _gpu(facts: Facts) -> Capability:
    if not facts.gpus:
        return Capability(
            "models of billions of parameters here", False, "no GPU; use a server elsewhere or a cluster"
        )
    memory = sum(gpu.memory_gib for gpu in facts.gpus)
    billions = max(0.0, (memory - CACHE_GIB * len(facts.gpus)) / GIB_PER_BILLION)
    names = ", ".join(f"{gpu.name} ({gpu.memory_gib:.0f} GiB)" for gpu in facts.gpus)
    return Capability(
        "models of billions of parameters here",
        True,
        f"{names}: up to about {billions:.0f}B in bfloat16 to serve",
    )


def _containers(facts: Facts) -> Capability:
    there = [name for name, problem in facts.engines.items() if problem is None]
    if there:
        return Capability("containers", True, f"{', '.join(there)} answers")
    return Capability(
        "containers", False, "; ".join(f"{name}: {problem}" for name, problem in facts.engines.items())
    )


def _slurm(facts: Facts) -> Capability:
    if facts.slurm is None:
        return Capability("Slurm", False, "no sinfo here; --profile profiles/slurm is for a login node")
    return Capability(
        "Slurm", True, f"partitions {', '.join(facts.slurm)}; put their names into profiles/slurm"
    )


def _hub(facts: Facts) -> Capability:
    if "model hub" not in facts.indexes:
        return Capability("models and data of the hub", True, "not tried")
    problem = facts.indexes["model hub"]
    why = "the hub answers" if problem is None else f"{problem}; use local checkpoints (model.source: path)"
    return Capability("models and data of the hub", problem is None, why)
