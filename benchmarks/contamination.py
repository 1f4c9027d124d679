"""Decontamination by execution: pairs of a function and a task per second, and the plan for the published data set.

    python benchmarks/contamination.py --json [--quick]

The tasks are the 164 of HumanEval, which an installed package holds. The functions are those of tests/vectors (small ones, as
responses have them), the reference solutions of HumanEval with another name (the renaming breaks HumanEval/106, whose name is
the letter f), and top-level functions of pure-Python modules of
the standard library, which are longer and get arguments that they were not written for: some never return. One run without a
verdict cache; ``preparing_s`` is the wall time of choosing the inputs, which a search does once, and opening the sandboxes is not
measured. ``cpu_s`` is the CPU time of this process, the sandboxes and the programs in them; other programs on a busy machine lengthen it
only by what they take of the caches. ``wall_core_s`` is the wall time on all cores.

``plan`` multiplies: 50,661 rows with as many functions as those of tests/vectors have, 542 tasks (164 of HumanEval+ and 378 of
MBPP+), the share of the pairs whose arity fits as here, and the CPU time of such a pair here. It leaves out that functions which
occur in several rows run once, and that the added tests of HumanEval+ and MBPP+ take longer. ``core_hours_by_wall`` takes the wall
time on all cores instead, which on a busy machine is that of the other programs too.

``ways`` compares one program for a function on all its tasks, which is what the library does, with one program for each pair, on a
sample, by the wall time of the first round.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import inspect
import json
import os
import platform
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from selfalign.benchmarks import Benchmark, load_benchmark
from selfalign.contamination.functions import RowFunction, functions_of
from selfalign.core.host import machine
from selfalign.core.jsonl import read_jsonl
from selfalign.evaluate.scoring import ScoringPools, open_scoring_pools
from selfalign.evaluate.solutions import Search, SearchedBenchmark
from selfalign.program_environments import ready_environment

ROOT = Path(__file__).resolve().parent.parent
CORES = len(os.sched_getaffinity(0))
ROWS, TASKS = 50_661, 542
TARGET_CORE_HOURS = 4
# Pure-Python modules of the standard library.
MODULES = (
    *(
        "bisect",
        "calendar",
        "colorsys",
        "copy",
        "csv",
        "dataclasses",
        "difflib",
        "fnmatch",
        "fractions",
        "functools",
    ),
    *(
        "heapq",
        "html",
        "inspect",
        "ipaddress",
        "keyword",
        "locale",
        "mimetypes",
        "ntpath",
        "numbers",
        "operator",
    ),
    *(
        "posixpath",
        "pprint",
        "quopri",
        "random",
        "shlex",
        "statistics",
        "string",
        "textwrap",
        "token",
        "tokenize",
    ),
    *("types", "typing", "uuid", "warnings"),
)
# Functions of which every pair has a program of its own.
SAMPLE = 20


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows")
    options = parser.parse_args()

    load = os.getloadavg()[0]
    benchmark = load_benchmark("humaneval")
    searched = SearchedBenchmark(benchmark, environment=ready_environment(benchmark.definition.environment))
    vectors = [
        functions_of(row["response"]).functions for row in read_jsonl(ROOT / "tests/vectors/filtered.jsonl")
    ]
    rows = list(responses(benchmark))[:: 10 if options.quick else 1]
    found = measured_search(rows, searched)
    functions_per_row = sum(map(len, vectors)) / len(vectors)
    result = {
        "benchmark": "contamination",
        "tasks": len(benchmark.tasks),
        **found,
        "ways": compared_ways(searched, [each for functions in vectors for each in functions][:SAMPLE]),
        "plan": plan(found, functions_per_row),
        "machine": machine(),
        "python": platform.python_version(),
        "load_at_start": round(load, 1),
        "conditions": "otherwise idle" if load < 0.5 * CORES else "other work on the machine",
        "quick": options.quick,
    }
    if not options.json:
        print(f"{result['plan']['core_hours']:.2f} core-hours planned", file=sys.stderr)
    print(json.dumps(result, indent=None if options.json else 2))


def responses(benchmark: Benchmark) -> Iterator[dict[str, str]]:
    """Yield the rows: responses of tests/vectors, renamed reference solutions, and functions of the standard library."""
    for row in read_jsonl(ROOT / "tests/vectors/filtered.jsonl"):
        yield {"response": row["response"]}
    for task in benchmark.tasks:
        code = benchmark.reference_solution(task).replace(str(task.entry_point), "renamed")
        yield {"response": f"```python\n{code}\n```"}
    for name in MODULES:
        source = inspect.getsource(importlib.import_module(name)).replace("```", "'''")
        for function in functions_of(f"```python\n{source}\n```").functions:
            yield {"response": f"```python\n{function.code}\n```"}


def measured_search(rows: list[dict[str, str]], searched: SearchedBenchmark) -> dict[str, Any]:
    """Search the rows; return numbers and times."""
    with open_scoring_pools(environment=searched.environment) as pools:
        start = time.perf_counter()
        search = Search(searched, pools)
        preparing = time.perf_counter() - start
        before, start = cpu_seconds(), time.perf_counter()
        places: dict[RowFunction, list[int]] = {}
        excluded: Counter[str] = Counter()
        for line, row in enumerate(rows):
            read = functions_of(row["response"])
            excluded += read.excluded
            for function in read.functions:
                places.setdefault(function, []).append(line)
        solving = {
            line
            for function, found in search.run([*places])
            if any(task["solved"] for task in found.tasks)
            for line in places[function]
        }
        wall, cpu = time.perf_counter() - start, cpu_seconds() - before
    counts = {**search.counts(), "rows": len(rows), "functions": len(places), "excluded": dict(excluded)}
    return {
        "rows": counts["rows"],
        "functions": counts["functions"],
        "excluded": counts["excluded"],
        "unfinished": counts["unfinished"],
        "pairs": counts["functions"] * counts["tasks"],
        "pairs_of_fitting_arity": counts["pairs"],
        "solved_tasks": len(counts["solved_tasks"]),
        "solving_rows": len(solving),
        "tasks_without_inputs": counts["tasks_without_inputs"],
        "wall_s": round(wall, 1),
        "preparing_s": round(preparing, 1),
        "wall_core_s": round(wall * CORES, 1),
        "cpu_s": round(cpu, 1),
        "pairs_per_s": round(counts["functions"] * counts["tasks"] / wall),
        "pairs_of_fitting_arity_per_core_s": round(counts["pairs"] / cpu),
        "cpu_ms_per_function": round(1000 * cpu / counts["functions"], 1),
    }


def compared_ways(searched: SearchedBenchmark, functions: list[RowFunction]) -> dict[str, Any]:
    """Return the wall times of one program per function, and of one per pair, in the first round."""
    with open_scoring_pools(environment=searched.environment) as pools:
        search = Search(searched, pools)
        fitting = {
            each: [probes for probes in search.probes.values() if probes.fits(each)] for each in functions
        }
        together = time_of(pools, [search.program(each, tasks, 0) for each, tasks in fitting.items()])
        alone = time_of(
            pools, [search.program(each, [task], 0) for each, tasks in fitting.items() for task in tasks]
        )
    return {
        "functions": len(fitting),
        "pairs": sum(map(len, fitting.values())),
        "program_per_function_s": round(together, 2),
        "program_per_pair_s": round(alone, 2),
        "ratio": round(alone / together, 1),
    }


def time_of(pools: ScoringPools, programs: list[Any]) -> float:
    """Return the wall time of programs, in seconds."""
    start = time.perf_counter()
    for verdict in pools.answers.run(programs):
        assert verdict.status != "infrastructure", verdict
    return time.perf_counter() - start


def plan(found: dict[str, Any], functions_per_row: float) -> dict[str, Any]:
    """Return the core-hours for the published data set."""
    share = found["pairs_of_fitting_arity"] / found["pairs"]
    pairs = ROWS * functions_per_row * TASKS * share
    hours = pairs / found["pairs_of_fitting_arity"] / 3600
    return {
        "rows": ROWS,
        "tasks": TASKS,
        "functions_per_row": round(functions_per_row, 2),
        "share_of_fitting_arity": round(share, 3),
        "pairs_of_fitting_arity": round(pairs),
        "core_hours": round(hours * found["cpu_s"], 2),
        "core_hours_by_wall": round(hours * found["wall_core_s"], 2),
        "target_core_hours": TARGET_CORE_HOURS,
    }


def cpu_seconds() -> float:
    """Return the CPU time of this process and all below it, in seconds; programs that have ended count with their sandbox."""
    this = psutil.Process()
    found = time.process_time()
    for each in this.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            found += sum(each.cpu_times()[:4])
    return found


if __name__ == "__main__":
    main()
