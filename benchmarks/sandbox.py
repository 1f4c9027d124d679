"""The sandbox against the reference's way of running programs, and against what a fork costs.

    python benchmarks/sandbox.py --json [--quick] [--image REFERENCE]

The last line of the output is one JSON object. For each runtime that works here, with one slot and with two:

- ``programs_per_s``, and ``cpu_ms``: milliseconds of the machine's CPU time per program, everything included but the start:
  supervisor, engine, zygote, program, and whatever else runs, so let nothing else run;
- ``baseline_ratio``: programs per second over the baseline's; ``pool_ratio``: over those of ``pool``;
  ``ceiling_share``: over the ceiling's.

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
from selfalign.sandbox import Program, open_pool
from selfalign.sandbox.engines import Docker

WAYS = Path(__file__).with_name("sandbox_ways.py")
CORES = os.cpu_count() or 1
MACHINE = "2 cores, 24 GiB, x86-64, no GPU"
ENGINES = ("docker", "podman")
RUNTIMES = (*ENGINES, "bubblewrap", "none")


def way(name: str, count: int) -> dict[str, float]:
    """Run programs in one of the ways that we are held against, once it has started, like ours."""
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
    """Run programs in a container each."""
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
    # Bubblewrap and none take this machine's own Python.
    with open_pool(runtime, workers=workers, image=image if runtime in ENGINES else "") as pool:

        def run(count: int) -> None:
            programs = (Program(str(number), PROGRAM) for number in range(count))
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
    figures: dict[str, Any] = {
        "baseline": way("reference", count // 2),
        "pool": way("pool", count // 2),
        "ceiling": way("fork", count),
    }
    try:
        image = Docker(given.image).image().rpartition("@")[0]
        figures["docker_run"] = timed(lambda number: docker_run(image, number), count // 50)
    except SelfalignError as error:
        figures["docker_run"] = {"not run": str(error)}
    runtimes: dict[str, Any] = {}
    for name in RUNTIMES:
        for workers in (1, 2):
            try:
                found = sandbox(name, workers, count, given.image)
            except SelfalignError as error:
                runtimes[f"{name}, {workers} slots"] = {"not run": str(error)}
                continue
            rate = found["programs_per_s"]
            runtimes[f"{name}, {workers} slots"] = {
                **found,
                "baseline_ratio": round(rate / figures["baseline"]["programs_per_s"], 2),
                "pool_ratio": round(rate / figures["pool"]["programs_per_s"], 2),
                "ceiling_share": round(rate / figures["ceiling"]["programs_per_s"], 2),
                "hours_for_2.4_million": round(2.4e6 / rate / 3600, 2),
            }
    print(json.dumps({**figures, "runtimes": runtimes, "load_at_start": round(load, 1), "machine": MACHINE}))


if __name__ == "__main__":
    main()
