"""The energy of this machine: what the counters say, also where they start again, and where there are none."""

import sys
import time
from types import SimpleNamespace

import pytest

from selfalign.core import energy
from selfalign.core.energy import Counter, EnergyMeter, metered, nvml_counters, rapl_counters

ZONES = {
    "intel-rapl:0": "package-0",
    "intel-rapl:0:0": "core",
    "intel-rapl:0:1": "dram",
    "intel-rapl:1": "psys",
}


@pytest.fixture
def powercap(tmp_path, monkeypatch):
    for number, (zone, name) in enumerate(ZONES.items()):
        (tmp_path / zone).mkdir()
        (tmp_path / zone / "name").write_text(f"{name}\n")
        (tmp_path / zone / "energy_uj").write_text(f"{10**6 * (number + 1)}\n")
        (tmp_path / zone / "max_energy_range_uj").write_text(f"{100 * 10**6}\n")
    monkeypatch.setattr(energy, "POWERCAP", tmp_path)
    return tmp_path


def test_packages_and_memory_are_counted_and_their_parts_are_not(powercap):
    counters = rapl_counters(powercap)
    assert [(counter.read(), counter.range_j) for counter in counters] == [(1.0, 100.0), (3.0, 100.0)]
    meter = EnergyMeter(counters)
    (powercap / "intel-rapl:0/energy_uj").write_text(str(11 * 10**6))
    (powercap / "intel-rapl:0:0/energy_uj").write_text(str(60 * 10**6))
    assert meter.joules() == pytest.approx(10.0)
    # The counter has started again at 100 J.
    (powercap / "intel-rapl:0/energy_uj").write_text(str(4 * 10**6))
    assert meter.joules() == pytest.approx(10.0 + 93.0)
    found = meter.to_json()
    assert (found["sources"], found["joules"]) == (["rapl"], 103.0)


def test_a_counter_that_cannot_be_read_is_left_out(powercap):
    (powercap / "intel-rapl:0/energy_uj").unlink()
    (powercap / "intel-rapl:0/energy_uj").mkdir()
    (powercap / "intel-rapl:0:1/max_energy_range_uj").write_text("unlimited")
    assert rapl_counters(powercap) == []


def test_a_machine_without_counters_does_not_know_its_energy(monkeypatch):
    monkeypatch.setattr(energy, "rapl_counters", list)
    monkeypatch.setattr(energy, "nvml_counters", list)
    with metered() as meter:
        assert meter.joules() is None
        assert meter.to_json()["joules"] is None
        assert meter.to_json()["sources"] == []


def test_counters_are_read_while_a_job_runs(monkeypatch):
    values = iter([90.0, 95.0, *range(5, 100_000, 5)])
    monkeypatch.setattr(energy, "POLL_S", 0.01)
    monkeypatch.setattr(energy, "rapl_counters", lambda: [Counter("rapl", lambda: next(values), 100.0)])
    monkeypatch.setattr(energy, "nvml_counters", list)
    with metered() as meter:
        time.sleep(0.2)
    joules = meter.joules()
    assert joules is not None
    # 5 J with every read, of which there were several.
    assert joules % 5 == 0
    assert joules >= 25


class NVMLError(Exception):
    """As in pynvml."""


def driver(readings, fails=False):
    def read(handle):
        if fails:
            raise NVMLError
        return readings[handle]

    return SimpleNamespace(
        NVMLError=NVMLError,
        nvmlInit=lambda: None,
        nvmlDeviceGetCount=lambda: len(readings),
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetTotalEnergyConsumption=read,
    )


def test_every_gpu_is_counted_in_millijoules(monkeypatch):
    readings = [1000, 5000]
    monkeypatch.setitem(sys.modules, "pynvml", driver(readings))
    meter = EnergyMeter(nvml_counters())
    readings[:] = [4000, 7000]
    assert meter.joules() == pytest.approx(5.0)
    assert meter.sources == ["nvml"]


def test_gpus_without_a_counter_or_the_package_are_not_known(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", driver([1000], fails=True))
    assert nvml_counters() == []
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert nvml_counters() == []
