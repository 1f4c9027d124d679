"""The sandbox against the reference's way of running programs, and against what a fork costs.

    python benchmarks/sandbox.py --json [--quick] [--image REFERENCE]

The last line of the output is one JSON object. For each runtime that works here, with one slot and with two:

- ``programs_per_s``, and ``cpu_ms``: milliseconds of the machine's CPU time per program, everything included:
  supervisor, engine, zygote, program, and whatever else runs, so let nothing else run;
- ``baseline_ratio``: programs per second over the baseline's; ``ceiling_share``: over the ceiling's.

- baseline: a ``ProcessPoolExecutor`` whose workers start a ``multiprocessing.Process`` per program, in chunks of
  the number of cores, each chunk waiting for its slowest; nothing is isolated. What the reference does.
- docker_run: a fresh ``docker run`` of the same image per program, as many at once as there are cores.
- ceiling: a warm interpreter that forks, compiles and executes the program and waits, one at a time on every
  core; nothing is isolated, limited, captured or judged.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import psutil

from selfalign.core.errors import SelfalignError
from selfalign.sandbox import Program, open_pool
from selfalign.sandbox.engines import Docker

PROGRAM = """
def merge(a, b):
    out = []
    while a and b:
        out.append((a if a[0] <= b[0] else b).pop(0))
    return out + a + b

assert merge([1, 4], [2, 3]) == [1, 2, 3, 4]
assert merge([], [1]) == [1]
"""
CORES = os.cpu_count() or 1
MACHINE = "2 cores, 24 GiB, x86-64, no GPU"
ENGINES = ("docker", "podman")
RUNTIMES = (*ENGINES, "bubblewrap", "none")


def execute(source: str) -> None:
    exec(compile(source, "<program>", "exec"), {"__name__": "__main__"})


def one_process(source: str) -> int | None:
    process = multiprocessing.get_context("fork").Process(target=execute, args=(source,))
    process.start()
    process.join(10)
    return process.exitcode


def baseline(count: int) -> None:
    done = 0
    while done < count:
        with ProcessPoolExecutor(CORES, mp_context=multiprocessing.get_context("fork")) as workers:
            done += sum(code == 0 for code in workers.map(one_process, [PROGRAM] * CORES))


def fork_many(count: int) -> None:
    for _ in range(count):
        pid = os.fork()
        if pid == 0:
            execute(PROGRAM)
            os._exit(0)
        os.waitpid(pid, 0)


def ceiling(count: int) -> None:
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=fork_many, args=(count // CORES,)) for _ in range(CORES)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


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
    figures: dict[str, Any] = {"baseline": timed(baseline, count // 4), "ceiling": timed(ceiling, count)}
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
                "ceiling_share": round(rate / figures["ceiling"]["programs_per_s"], 2),
                "hours_for_2.4_million": round(2.4e6 / rate / 3600, 2),
            }
    print(json.dumps({**figures, "runtimes": runtimes, "load_at_start": round(load, 1), "machine": MACHINE}))


if __name__ == "__main__":
    main()
