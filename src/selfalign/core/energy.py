"""Energy that this machine uses: processor packages and memory by RAPL, NVIDIA GPUs by NVML, where they can be read.

RAPL is read from the kernel's powercap interface, which Linux lets only root read by default; NVML through the package
`nvidia-ml-py`, if it is installed. The counters are those of the whole machine, whatever runs on it. What they do not
cover (fans, disks, power supplies) is not part of the figures.
"""

from __future__ import annotations

import contextlib
import importlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

POWERCAP = Path("/sys/class/powercap")
# Interval at which counters are read, in seconds. RAPL's wrap around after about 262 kJ, some minutes at 500 W.
POLL_S = 30.0


@dataclass(frozen=True)
class Counter:
    """A counter of energy.

    Attributes:
        source: ``rapl`` or ``nvml``.
        read: returns the energy since some moment, in joules.
        range_j: value at which the counter starts again from 0, in joules; None: never.
    """

    source: str
    read: Callable[[], float]
    range_j: float | None = None


class EnergyMeter:
    """Sums up the energy from its creation on; see :func:`metered`.

    Args:
        counters: the counters; none if the machine has none that can be read.
    """

    def __init__(self, counters: list[Counter]) -> None:
        self._counters = counters
        self._last = [counter.read() for counter in counters]
        self._joules = 0.0
        self._lock = threading.Lock()
        self._started = time.monotonic()
        self.started_at = time.time()

    @property
    def sources(self) -> list[str]:
        """Names of the sources, in order."""
        return sorted({counter.source for counter in self._counters})

    @property
    def seconds(self) -> float:
        """Time since the creation, in seconds."""
        return time.monotonic() - self._started

    def joules(self) -> float | None:
        """Return the energy since the creation, in joules; None if there is no counter."""
        with self._lock:
            for number, counter in enumerate(self._counters):
                value = counter.read()
                used = value - self._last[number]
                if used < 0 and counter.range_j is not None:
                    used += counter.range_j
                self._joules += max(0.0, used)
                self._last[number] = value
            return self._joules if self._counters else None

    def to_json(self) -> dict[str, Any]:
        """Return sources, energy, duration and start as a JSON object; ``joules`` is None if it is not known."""
        joules = self.joules()
        return {
            "sources": self.sources,
            "joules": None if joules is None else round(joules, 1),
            "seconds": round(self.seconds, 3),
            "started_at": round(self.started_at, 3),
        }


@contextlib.contextmanager
def metered() -> Iterator[EnergyMeter]:
    """Yield a meter of this machine's energy from now on; a thread reads it often enough for its counters."""
    meter = EnergyMeter([*rapl_counters(), *nvml_counters()])
    ended = threading.Event()

    def poll() -> None:
        while not ended.wait(POLL_S):
            meter.joules()

    thread = threading.Thread(target=poll, name="energy", daemon=True)
    if meter.sources:
        thread.start()
    try:
        yield meter
    finally:
        ended.set()
        if meter.sources:
            thread.join()


def rapl_counters(powercap: Path | None = None) -> list[Counter]:
    """Return the counters of processor packages and of the memory beside them; those that cannot be read are left out.

    The zone ``psys`` covers the others, and ``core`` and ``uncore`` are parts of their package.

    Args:
        powercap: directory of the kernel's powercap interface; None: :data:`POWERCAP`.
    """
    found = []
    for zone in sorted((powercap or POWERCAP).glob("intel-rapl:*")):
        try:
            name = (zone / "name").read_text(encoding="ascii").strip()
            if name != "dram" and not name.startswith("package-"):
                continue
            counter = Counter(
                "rapl", _microjoules(zone / "energy_uj"), _microjoules(zone / "max_energy_range_uj")()
            )
            counter.read()
        except (OSError, ValueError):
            continue
        found.append(counter)
    return found


def nvml_counters() -> list[Counter]:
    """Return the counters of the NVIDIA GPUs; none if `nvidia-ml-py` or the driver is missing, or a GPU has no counter."""
    try:
        nvml: Any = importlib.import_module("pynvml")
    except ImportError:
        return []
    found = []
    try:
        nvml.nvmlInit()
        for index in range(nvml.nvmlDeviceGetCount()):
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
            counter = Counter(
                "nvml", lambda handle=handle: nvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1e3
            )
            counter.read()
            found.append(counter)
    except nvml.NVMLError:
        return []
    return found


def _microjoules(path: Path) -> Callable[[], float]:
    """Return a function that reads a file with a number of microjoules, in joules."""
    return lambda: int(path.read_text(encoding="ascii")) / 1e6
