"""Facts about the host of a job, as one line of its log."""

from __future__ import annotations

import json
import os
import platform
import re
from pathlib import Path
from typing import Any

MARK = "host: "
DRIVER = Path("/proc/driver/nvidia/gpus")


def host_facts() -> dict[str, Any]:
    """Return name, system, processor cores, memory (MiB) and NVIDIA GPUs of this machine, without running a program."""
    return {
        "name": platform.node(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cores": os.cpu_count(),
        "memory_mb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
        "gpus": nvidia_gpus(),
    }


def machine() -> dict[str, int]:
    """Return cores and memory (GiB) of this machine, as in the results of benchmarks."""
    facts = host_facts()
    return {"cores": facts["cores"], "memory_gib": round(facts["memory_mb"] / 1024)}


def nvidia_gpus(driver: Path = DRIVER) -> list[str]:
    """Return the models of the NVIDIA GPUs, in the order of their bus addresses.

    Args:
        driver: directory of the driver's information about GPUs.
    """
    found = []
    for information in sorted(driver.glob("*/information")):
        model = re.search(r"^Model:\s*(.+?)\s*$", information.read_text(encoding="utf-8"), re.MULTILINE)
        found.append(model[1] if model else "unknown")
    return found


def host_line() -> str:
    """Return the line of a log that describes this machine."""
    return MARK + json.dumps(host_facts(), sort_keys=True)


def read_hosts(log: str | Path) -> list[dict[str, Any]]:
    """Return the hosts in a job's log, in the order of the attempts.

    Args:
        log: log file of the job.
    """
    with Path(log).open(encoding="utf-8", errors="replace") as lines:
        return [json.loads(line[len(MARK) :]) for line in lines if line.startswith(MARK)]
