"""Throughput and memory of the curation steps.

    python benchmarks/curation.py --json [--quick] [--downloads DIR]

The rows are synthetic: sentences and small programs put together by a seeded generator. The steps run from file to
file on all of them, in one process. Three are compared with the obvious loop, in memory and on the same rows:
decontamination with a search for every pattern in every row, near-duplicates and exact repetitions with a
comparison of every row with every kept one. The loops are slow, so they run on a sample, whose size is stated; the
verdicts of both ways must agree there. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from selfalign.contamination import ContaminationIndex, contamination_filter, find_sources, load_sources
from selfalign.contamination.patterns import patterns_of, words_of
from selfalign.core.config.curation import CurationConfig, DuplicatesConfig, QualityConfig
from selfalign.core.filtering import Drop, Filter
from selfalign.core.jsonl import Record, read_jsonl, write_jsonl
from selfalign.curate.decontaminate import decontaminate_file
from selfalign.curate.duplicates import exact_filter, near_filter
from selfalign.curate.export import write_parquet
from selfalign.curate.rows import read_rows
from selfalign.curate.sanitize import sanitize_file
from selfalign.curate.select import select_file
from selfalign.dedup import jaccard, shingles

ROOT = Path(__file__).resolve().parent.parent
ROWS = 200_000
QUICK_ROWS = 20_000
AGAINST = ["humaneval", "mbpp_plus@v0.2.0"]
# Number of rows of the baselines that compare all pairs.
LOOPED_DECONTAMINATION = 300
LOOPED_DUPLICATES = 2_000
LOOPED_REPETITIONS = 20_000

VERBS = (
    "adds",
    "counts",
    "filters",
    "groups",
    "joins",
    "maps",
    "merges",
    "orders",
    "packs",
    "ranks",
    "sorts",
    "weighs",
)
THINGS = (
    "apples",
    "boxes",
    "cards",
    "coins",
    "days",
    "edges",
    "grades",
    "hills",
    "jars",
    "keys",
    "lines",
    "nodes",
)
PLACES = (
    "basket",
    "cellar",
    "drawer",
    "forest",
    "garden",
    "harbour",
    "kitchen",
    "library",
    "market",
    "quarry",
)


def synthetic(count: int, seed: int = 0) -> Iterator[Record]:
    """Yield rows with section tags; one in fifty nearly repeats the previous instruction, one in a hundred the previous row."""
    draw = random.Random(seed)
    instruction = ""
    row: Record = {}
    for index in range(count):
        name = f"{draw.choice(VERBS)}_{draw.choice(THINGS)}_{index}"
        if index % 50 or not instruction:
            sentences = [
                f"It {draw.choice(VERBS)} the {draw.choice(THINGS)} of the {draw.choice(PLACES)} "
                f"and {draw.choice(VERBS)} {draw.randrange(1000)} {draw.choice(THINGS)}."
                for _ in range(draw.randrange(2, 6))
            ]
            instruction = f"Write a Python function `{name}`. {' '.join(sentences)}"
        else:
            instruction = f"{instruction} Please."
        if index % 100 != 99:
            row = {
                "seed": f"def {name}(x): return x",
                "instruction": instruction,
                "response": response(draw, name),
            }
        yield row


def response(draw: random.Random, name: str) -> str:
    """Return a response in four sections, about a kilobyte."""
    number = draw.randrange(2, 99)
    steps = "\n".join(
        f"    # step {i}: {draw.choice(VERBS)} {draw.choice(THINGS)}\n"
        f"    total = total + (x * {draw.randrange(99)}) % {draw.randrange(1, 99)}"
        for i in range(draw.randrange(3, 8))
    )
    prose = " ".join(
        f"The {draw.choice(THINGS)} in the {draw.choice(PLACES)} are {draw.randrange(9999)}."
        for _ in range(8)
    )
    tests = "\n".join(f"assert {name}({draw.randrange(9)}) >= 0" for _ in range(draw.randrange(1, 6)))
    return (
        f"[Reasoning]\n{prose}\n\n[Implementation]\nHere it is.\n```python\ndef {name}(x):\n    total = {number}\n"
        f"{steps}\n    return total\n```\n\n[Explanation]\n{prose[:200]}\n\n[Tests]\n```python\n{tests}\n```"
    )


def looked_for(downloads: Path) -> list[Any]:
    """Return the benchmarks: HumanEval, from its package, and MBPP+."""
    sources = find_sources(AGAINST, downloads=downloads / "benchmarks")
    for path in (path for source in sources for path in source.files):
        if not Path(path).is_file():
            sys.exit(f"{path} is missing; `make published` downloads it")
    return sources


def timed(step: Callable[[], object]) -> float:
    """Return the seconds that `step` takes."""
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def rate(rows: int, seconds: float) -> float:
    """Return rows per second, to three digits."""
    return float(f"{rows / seconds:.3g}")


def measure_steps(directory: Path, count: int, downloads: Path) -> dict[str, float]:
    """Return the input rows per second of each step, from file to file."""
    paths = {
        name: directory / f"{name}.jsonl" for name in ("in", "raw", "selected", "near", "smart", "clean")
    }
    sources = looked_for(downloads)
    plain = CurationConfig(quality=QualityConfig(complete_code=False, asserting_tests=False))
    checked = CurationConfig()
    near = CurationConfig(duplicates=DuplicatesConfig(near=["instruction", "response", "code"]))
    steps: dict[str, tuple[str, Callable[[], object]]] = {
        "sanitize_raw": ("in", lambda: sanitize_file("raw", read_rows([paths["in"]]), paths["raw"])),
        "select": ("raw", lambda: select_file(paths["raw"], paths["selected"], None, plain)),
        "select_with_code_filters": ("raw", lambda: select_file(paths["raw"], paths["near"], None, checked)),
        "select_with_near_duplicates": ("raw", lambda: select_file(paths["raw"], paths["near"], None, near)),
        "sanitize_smart": (
            "selected",
            lambda: sanitize_file("smart", read_rows([paths["selected"]]), paths["smart"]),
        ),
        "decontaminate": (
            "smart",
            lambda: decontaminate_file(paths["smart"], paths["clean"], sources=sources),
        ),
        "parquet": ("clean", lambda: write_parquet(paths["clean"], directory / "clean.parquet")),
    }
    write_jsonl(paths["in"], synthetic(count))
    rates = {}
    for name, (source, step) in steps.items():
        seconds = timed(step)
        rates[name] = rate(sum(1 for _ in read_jsonl(paths[source])), seconds)
    return rates


def measure_decontamination(rows: list[Record], downloads: Path) -> dict[str, Any]:
    """Compare the single pass with a loop over all patterns; a tenth of the rows contain benchmark text."""
    benchmarks = load_sources(looked_for(downloads))
    tasks = [task for benchmark in benchmarks for task in benchmark.tasks]
    draw = random.Random(1)
    mixed = [
        {**row, "response": f"{row['response']}\n{draw.choice(tasks).prompt}"} if i % 10 == 0 else row
        for i, row in enumerate(rows)
    ]
    index = ContaminationIndex.of(benchmarks)
    clean = contamination_filter(index, ("instruction", "response"))
    patterns = list(dict.fromkeys(p.words for benchmark in benchmarks for p in patterns_of(benchmark)))
    found: list[bool] = []
    seconds = timed(lambda: found.extend(isinstance(clean(row), Drop) for row in mixed))
    sample = mixed[:LOOPED_DECONTAMINATION]
    looped: list[bool] = []

    def loop() -> None:
        for row in sample:
            texts = [f" {words_of(row[field])} " for field in ("instruction", "response")]
            looped.append(any(f" {pattern} " in text for text in texts for pattern in patterns))

    loop_seconds = timed(loop)
    assert looped == found[: len(sample)], "both ways find the same rows"
    return {
        "against": AGAINST,
        "patterns": len(patterns),
        "rows": len(mixed),
        "found": sum(found),
        "rows_per_s": rate(len(mixed), seconds),
        "loop_rows": len(sample),
        "loop_rows_per_s": rate(len(sample), loop_seconds),
        "decontamination_ratio": round((len(mixed) / seconds) / (len(sample) / loop_seconds), 1),
    }


def measure_duplicates(rows: list[Record]) -> dict[str, Any]:
    """Compare the duplicate filters with loops over all kept rows, on a number of rows that the loops can process."""
    settings = DuplicatesConfig()

    def near_loop(sample: list[Record]) -> Iterator[bool]:
        kept: list[set[str]] = []
        for row in sample:
            parts = shingles(row["instruction"], settings.ngram)
            is_duplicate = any(jaccard(parts, other) >= settings.threshold for other in kept)
            if not is_duplicate:
                kept.append(parts)
            yield is_duplicate

    def exact_loop(sample: list[Record]) -> Iterator[bool]:
        kept: list[str] = []
        for row in sample:
            keys = ["".join(row[field].split()) for field in ("instruction", "response")]
            is_duplicate = any(key in kept for key in keys)
            if not is_duplicate:
                kept.extend(keys)
            yield is_duplicate

    def compared(
        step: Filter, loop: Callable[[list[Record]], Iterator[bool]], sample: list[Record]
    ) -> dict[str, Any]:
        ours: list[bool] = []
        theirs: list[bool] = []
        seconds = timed(lambda: ours.extend(isinstance(step(row), Drop) for row in sample))
        loop_seconds = timed(lambda: theirs.extend(loop(sample)))
        return {
            "rows": len(sample),
            "found": sum(ours),
            "found_by_loop": sum(theirs),
            "rows_per_s": rate(len(sample), seconds),
            "loop_rows_per_s": rate(len(sample), loop_seconds),
            "ratio": round(loop_seconds / seconds, 1),
        }

    return {
        "near_duplicates_of_instructions": compared(
            near_filter("instruction", settings), near_loop, rows[:LOOPED_DUPLICATES]
        ),
        "repetitions": compared(exact_filter(settings), exact_loop, rows[:LOOPED_REPETITIONS]),
    }


def measure_memory(directory: Path, count: int) -> dict[str, Any]:
    """Return the peak memory of steps in separate processes, in MiB, on a tenth of the rows and on all."""
    peaks: dict[str, Any] = {}
    sizes = (count // 10, count)
    for size in sizes:
        write_jsonl(directory / f"{size}.jsonl", synthetic(size))
    for step in ("sanitize_raw", "sanitize_smart", "decontaminate", "parquet", "select"):
        for size in sizes:
            command = [sys.executable, __file__, "--peak", step, str(directory / f"{size}.jsonl")]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            peaks.setdefault(step, {})[f"{size}_rows"] = round(float(done.stdout.splitlines()[-1]))
    return peaks


def run_peak(step: str, source: str) -> float:
    """Run one step on a file; return the process's peak memory in MiB."""
    out = f"{source}.{step}"
    if step == "sanitize_raw":
        sanitize_file("raw", read_rows([source]), out)
    elif step == "sanitize_smart":
        sanitize_file("smart", read_rows([source]), out)
    elif step == "decontaminate":
        decontaminate_file(source, out, sources=find_sources(["humaneval"]))
    elif step == "parquet":
        write_parquet(source, out)
    else:
        select_file(source, out)
    # Not getrusage, whose peak includes that of the parent process at the fork.
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) / 1024


def main() -> None:
    """Run everything and print the figures."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--json", action="store_true", help="only the JSON object")
    options.add_argument("--quick", action="store_true", help=f"{QUICK_ROWS:,} rows instead of {ROWS:,}")
    options.add_argument(
        "--downloads",
        type=Path,
        default=ROOT / "resources",
        help="directory of published data (`make published`)",
    )
    options.add_argument("--peak", nargs=2, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.peak:
        print(run_peak(*chosen.peak))
        return
    count = QUICK_ROWS if chosen.quick else ROWS
    with tempfile.TemporaryDirectory(prefix="selfalign-curation-") as name:
        steps = measure_steps(Path(name), count, chosen.downloads)
        memory = measure_memory(Path(name), count)
    rows = list(synthetic(count))
    decontamination = measure_decontamination(rows, chosen.downloads)
    result = {
        "benchmark": "curation",
        "quick": chosen.quick,
        "baseline": "a loop over all patterns, or over all kept rows, for every row",
        "rows": count,
        "rows_per_s_file_to_file": steps,
        "decontamination_ratio": decontamination["decontamination_ratio"],
        "decontamination": decontamination,
        "duplicates": measure_duplicates(rows),
        "peak_memory_mib": memory,
        "machine": {"cpu": "2 cores, 24 GiB, x86-64, no GPU", "python": platform.python_version()},
    }
    if not chosen.json:
        print(json.dumps(result, indent=2))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
