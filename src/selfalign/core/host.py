"""What a job ran on, as one line in its log."""

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
    """Return name, system, processor cores, memory (MiB) and NVIDIA GPUs of this machine, without starting anything."""
    return {
        "name": platform.node(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cores": os.cpu_count(),
        "memory_mb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
        "gpus": nvidia_gpus(),
    }


def machine() -> dict[str, int]:
    """Return cores and memory (GiB) of this machine, as benchmarks state them."""
    facts = host_facts()
    return {"cores": facts["cores"], "memory_gib": round(facts["memory_mb"] / 1024)}


def nvidia_gpus(driver: Path = DRIVER) -> list[str]:
    """Return the models of the GPUs that the driver knows, in the order of their bus addresses."""
    found = []
    for information in sorted(driver.glob("*/information")):
        model = re.search(r"^Model:\s*(.+?)\s*$", information.read_text(encoding="utf-8"), re.MULTILINE)
        found.append(model[1] if model else "unknown")
    return found


def host_line() -> str:
    """Return the line that says what this machine is."""
    return MARK + json.dumps(host_facts(), sort_keys=True)


def read_hosts(log: str | Path) -> list[dict[str, Any]]:
    """Return the machines named in a job's log, in the order of the attempts."""
    with Path(log).open(encoding="utf-8", errors="replace") as lines:
        return [json.loads(line[len(MARK) :]) for line in lines if line.startswith(MARK)]
