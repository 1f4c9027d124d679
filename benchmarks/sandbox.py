"""The sandbox against the reference's way of running programs, and against what a fork costs.

    python benchmarks/sandbox.py --json [--quick] [--image REFERENCE]

The last line of the output is one JSON object. For each runtime that works here, with one slot and with two:

- ``programs_per_s``, and ``cpu_ms``: milliseconds of the machine's CPU time per program, everything included but the start:
  supervisor, engine, zygote, program, and whatever else runs, so let nothing else run;
- ``baseline_ratio``: programs per second over the baseline's; ``pool_ratio``: over those of ``pool``;
  ``ceiling_share``: over the ceiling's.

The three ways below are measured three times, in the beginning, amid the runtimes and in the end, and the median counts:
a machine's speed changes within minutes.

- baseline: what the reference does, not isolated: ``reference`` of benchmarks/sandbox_ways.py.
- pool: the same pool of processes without the steps that the reference takes around a program.
- ceiling: a bare fork: ``fork`` there.
- docker_run: a fresh ``docker run`` of the same image per program, as many at once as there are cores.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
from sandbox_ways import PROGRAM

from selfalign.core.errors import SelfalignError
from selfalign.core.host import machine
from selfalign.sandbox import Program, open_pool
from selfalign.sandbox.engines import ContainerEngine

WAYS = Path(__file__).with_name("sandbox_ways.py")
CORES = os.cpu_count() or 1
ENGINES = ("docker", "podman")
RUNTIMES = (*ENGINES, "bubblewrap", "none")
# Baselines in benchmarks/sandbox_ways.py, with the share of the programs that each runs; slow ones run fewer.
HELD_AGAINST = {"baseline": ("reference", 0.5), "pool": ("pool", 0.5), "ceiling": ("fork", 1)}


def way(name: str, count: int) -> dict[str, float]:
    """Run programs with a baseline; its start is not measured, as for the sandbox."""
    command = [sys.executable, WAYS, name, str(count)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()

        def run(_: int) -> None:
            process.communicate("go\n")
            if process.returncode:
                raise SystemExit(f"{name}: ended with status {process.returncode}")

        return timed(run, count)


def docker_run(image: str, count: int) -> None:
    """Run each program in a container of its own."""
    command = ["docker", "run", "--rm", "--network", "none", "--entrypoint", "python3", image, "-c", PROGRAM]

    def one(_: int) -> None:
        subprocess.run(command, check=True, capture_output=True)

    with ThreadPoolExecutor(CORES) as threads:
        list(threads.map(one, range(count)))


def cpu_seconds() -> float:
    """Return the CPU time the machine has spent, by anybody: a container engine's processes are not below ours."""
    times = psutil.cpu_times()
    return times.user + times.nice + times.system


def timed(run: Callable[[int], Any], count: int) -> dict[str, float]:
    before, start = cpu_seconds(), time.perf_counter()
    run(count)
    seconds = time.perf_counter() - start
    return {
        "programs_per_s": round(count / seconds, 1),
        "cpu_ms": round((cpu_seconds() - before) / count * 1000, 2),
    }


def sandbox(runtime: str, workers: int, count: int, image: str) -> dict[str, float]:
    # bubblewrap and none use the Python of this machine.
    with open_pool(runtime, workers=workers, image=image if runtime in ENGINES else "") as pool:

        def run(count: int) -> None:
            programs = (Program(str(number), PROGRAM, tests_line=1) for number in range(count))
            wrong = sum(verdict.status != "passed" for verdict in pool.run(programs))
            if wrong:
                raise SystemExit(f"{runtime}: {wrong} of {count} verdicts are wrong")

        run(50)
        return timed(run, count)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object last (always done)")
    parser.add_argument("--quick", action="store_true", help="fewer programs")
    parser.add_argument(
        "--image", default="", help="the image of the container engines (default: the sandbox's)"
    )
    given = parser.parse_args()
    count = 500 if given.quick else 4000

    load = os.getloadavg()[0]
    rounds = [all_ways(count)]
    figures: dict[str, Any] = {}
    try:
        image = ContainerEngine("docker", given.image).image().rpartition("@")[0]
        figures["docker_run"] = timed(lambda number: docker_run(image, number), count // 50)
    except SelfalignError as error:
        figures["docker_run"] = {"not run": str(error)}
    found: dict[str, Any] = {}
    for name in RUNTIMES:
        if len(found) == len(RUNTIMES):
            rounds.append(all_ways(count))
        for workers in (1, 2):
            try:
                found[f"{name}, {workers} slots"] = sandbox(name, workers, count, given.image)
            except SelfalignError as error:
                found[f"{name}, {workers} slots"] = {"not run": str(error)}
    rounds.append(all_ways(count))
    ways = {name: median([each[name] for each in rounds]) for name in HELD_AGAINST}
    runtimes = {name: compared(each, ways) for name, each in found.items()}
    result = {**ways, **figures, "runtimes": runtimes, "load_at_start": round(load, 1), "machine": machine()}
    print(json.dumps(result))


def all_ways(count: int) -> dict[str, dict[str, float]]:
    """Run programs with each baseline."""
    return {name: way(kind, int(count * share)) for name, (kind, share) in HELD_AGAINST.items()}


def median(figures: list[dict[str, float]]) -> dict[str, float]:
    """Return the figures of the run with the median throughput."""
    return sorted(figures, key=lambda each: each["programs_per_s"])[len(figures) // 2]


def compared(found: dict[str, Any], ways: dict[str, dict[str, float]]) -> dict[str, Any]:
    """Return the figures of a runtime with its ratios to the baselines."""
    if "not run" in found:
        return found
    rate = found["programs_per_s"]
    return {
        **found,
        "baseline_ratio": round(rate / ways["baseline"]["programs_per_s"], 2),
        "pool_ratio": round(rate / ways["pool"]["programs_per_s"], 2),
        "ceiling_share": round(rate / ways["ceiling"]["programs_per_s"], 2),
        "hours_for_2.4_million": round(2.4e6 / rate / 3600, 2),
    }


if __name__ == "__main__":
    main()
