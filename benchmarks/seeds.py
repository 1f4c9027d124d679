"""Throughput of the seeds stage (extraction and text filters, duplicates, type checks), and an estimate for The Stack.

    python benchmarks/seeds.py --json [--quick]

The corpus is the running Python's standard library and the pinned networkx. Every ratio is to a baseline that
is run here as well; figures are per core unless their name says otherwise. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import resource
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tree_sitter import Node, Query, QueryCursor

from selfalign.core.config.seeds import FiltersConfig, NearDuplicatesConfig, SourcesConfig
from selfalign.core.errors import DataError
from selfalign.core.filtering import Drop, Keep, run_filters
from selfalign.core.jsonl import read_jsonl, write_jsonl
from selfalign.dedup import NearDuplicates, count_bands, jaccard, shingles
from selfalign.seeds.extract import extract, function_row
from selfalign.seeds.filters import BAD_WORDS, BANNED_MODULES, filter_chain
from selfalign.seeds.functions import decode_source, find_functions, language, parser
from selfalign.seeds.imports import add_imports
from selfalign.seeds.minhash_cuts import check_pairs, write_cuts
from selfalign.seeds.minhash_nodes import write_pairs, write_signatures
from selfalign.seeds.sources import SourceFile
from selfalign.seeds.sources.packages import fetch_wheel, pinned_requirement, read_wheel
from selfalign.seeds.typecheck import TypeChecker

NETWORKX = "networkx==3.4.2"
STACK_FUNCTIONS = 5_359_051
FILTERS = FiltersConfig(max_lines=150, max_characters=None, min_docstring_characters=0)


def read_corpus(directory: Path) -> list[SourceFile]:
    """Return the standard library and networkx, as bytes in memory."""
    wheel = directory / "networkx.whl"
    fetch_wheel(pinned_requirement(NETWORKX, "envs/sources.lock"), wheel)
    root = Path(sysconfig.get_paths()["stdlib"])
    paths = sorted(path for path in root.rglob("*.py") if "site-packages" not in path.parts)
    files = [SourceFile(path.relative_to(root).as_posix(), path.read_bytes()) for path in paths]
    return files + list(read_wheel(wheel, SourcesConfig().licenses))


def decoded(files: Sequence[SourceFile]) -> list[bytes]:
    """Return the decoded files; decoding is not part of the comparison."""
    sources = []
    for file in files:
        try:
            sources.append(decode_source(bytes(file.content)))
        except DataError:
            continue
    return sources


def ours(sources: Sequence[bytes]) -> tuple[int, list[str]]:
    """Extract and filter as the stage does, in one process; return functions found and the texts kept."""
    chain = filter_chain(FILTERS)
    found, kept = 0, []
    for source in sources:
        for function in find_functions(source):
            found += 1
            row = {"seed": function.text, "returns_value": function.returns_value}
            if isinstance(run_filters(row, chain), Keep):
                kept.append(function.text)
    return found, kept


def one_query_a_filter(sources: Sequence[bytes]) -> tuple[int, list[str]]:
    """Do the same with the baseline: a query for the functions, then a pass, a parse and a query for each filter."""

    def query(text: str) -> Query:
        return Query(language(), text)

    functions = query(
        '((function_definition body: (block . (expression_statement (string (string_start) @q)))) @f (#eq? @q "\\"\\"\\""))'
    )
    returns = query("(return_statement (_) @value)")
    imports = query(
        "[(import_statement (dotted_name) @m) (import_from_statement module_name: (dotted_name) @m)]"
    )
    parameters = query("(module (function_definition parameters: (parameters) @p))")
    words = query("[(comment) (string) (identifier)] @word")

    def captures(text: bytes, wanted: Query) -> dict[str, list[Node]]:
        return QueryCursor(wanted).captures(parser().parse(text).root_node)

    texts: list[bytes] = []
    for source in sources:
        for _, match in QueryCursor(functions).matches(parser().parse(source).root_node):
            [node] = match["f"]
            if node.start_point[1] == 0:
                texts.append(node.text or b"")
    found = len(texts)
    texts = [text for text in texts if captures(text, returns)]
    texts = [
        text
        for text in texts
        if not any(
            bad.encode() in (node.text or b"").lower()
            for nodes in captures(text, words).values()
            for node in nodes
            for bad in BAD_WORDS
        )
    ]
    banned = {module.encode() for module in BANNED_MODULES}
    texts = [
        text
        for text in texts
        if not any(
            (node.text or b"").split(b".")[0] in banned
            for nodes in captures(text, imports).values()
            for node in nodes
        )
    ]
    texts = [text for text in texts if text.count(b"\n") < FILTERS.max_lines]
    texts = [text for text in texts if captures(text, parameters)["p"][0].named_child_count]
    return found, [text.decode() for text in texts]


def best_of(times: int, function: Callable[[], Any]) -> tuple[float, Any]:
    """Return the shortest of several runs, in seconds of CPU, and the last result."""
    best, result = float("inf"), None
    for _ in range(times):
        begin = time.process_time()
        result = function()
        best = min(best, time.process_time() - begin)
    return best, result


def measure_extraction(files: Sequence[SourceFile], times: int) -> dict[str, Any]:
    """Compare extraction and text filters with the baseline, and measure the whole with two workers."""
    sources = decoded(files)
    megabytes = sum(map(len, sources)) / 1e6
    # The baseline runs first, so that caches do not favour selfalign.
    base_s, (base_found, base_kept) = best_of(times, lambda: one_query_a_filter(sources))
    ours_s, (found, kept) = best_of(times, lambda: ours(sources))
    begin = time.perf_counter()
    lost = [drop for _, drop in extract(files, workers=2) if isinstance(drop, Drop)]
    wall = time.perf_counter() - begin
    return {
        "files": len(files),
        "megabytes": round(megabytes, 2),
        "functions": found,
        "functions_baseline": base_found,
        "kept": len(kept),
        "kept_baseline": len(base_kept),
        "kept_by_both": len(set(kept) & set(base_kept)),
        "functions_per_s": round(found / ours_s),
        "megabytes_per_s": round(megabytes / ours_s, 1),
        "baseline_functions_per_s": round(base_found / base_s),
        "extract_filter_ratio": round(base_s / ours_s, 2),
        "isolated_two_workers_wall_s": round(wall, 2),
        "files_lost": len(lost),
    }


def corpus_rows(files: Sequence[SourceFile]) -> list[dict[str, Any]]:
    """Return the distinct functions of the corpus that pass the text filters."""
    chain = filter_chain(FILTERS)
    rows: dict[str, dict[str, Any]] = {}
    for file, functions in extract(files, workers=2):
        for function in [] if isinstance(functions, Drop) else functions:
            row = function_row(file, function)
            if isinstance(run_filters(row, chain), Keep):
                rows.setdefault(row["sha1"], row)
    return list(rows.values())


def children_s() -> float:
    """Return the CPU seconds of all processes that were started and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure_checks(rows: Sequence[dict[str, Any]], batches: Sequence[int]) -> dict[str, Any]:
    """Measure import inference and, by batch size, type checking, in seconds of CPU time."""
    begin = time.process_time()
    texts = [add_imports(row["seed"])[0] for row in rows]
    imports_s = time.process_time() - begin
    seconds = {}
    for batch in batches:
        checker = TypeChecker(timeout_s=600)
        begin = children_s()
        for start in range(0, len(texts), batch):
            checker.check(texts[start : start + batch])
        seconds[batch] = round((children_s() - begin) * 1000 / len(texts), 2)
    fastest = min(seconds, key=lambda batch: seconds[batch])
    return {
        "functions": len(texts),
        "imports_functions_per_s": round(len(rows) / imports_s),
        "types_cpu_s_per_1000_by_batch": {str(batch): value for batch, value in seconds.items()},
        "types_fastest_batch": fastest,
        "types_functions_per_s": round(1000 / seconds[fastest], 1),
    }


def vary(texts: Sequence[str], number: int, seed: int = 0) -> list[str]:
    """Return `number` texts: functions of the corpus with a varying number of replaced words."""
    draw = random.Random(seed)
    words = [text.split(" ") for text in texts]
    made = []
    for _ in range(number):
        parts = list(draw.choice(words))
        for _ in range(draw.randrange(1, 2 + len(parts) // 2)):
            parts[draw.randrange(len(parts))] = f"w{draw.randrange(10**6)}"
        made.append(" ".join(parts))
    return made


def measure_duplicates(
    rows: Sequence[dict[str, Any]], sample: int, clustered: int, large: int
) -> dict[str, Any]:
    """Check both ways against every pair's exact Jaccard similarity; time one on `large` functions in memory,
    the other on `clustered` ones, its jobs one after another.
    """
    settings = NearDuplicatesConfig()
    texts = [row["seed"] for row in rows]
    draw = random.Random(1)
    mixed = draw.sample(texts, min(sample // 2, len(texts)))
    mixed += vary(mixed, sample - len(mixed))
    index = NearDuplicates(settings)
    found = {number for number, text in enumerate(mixed) if index.add(text) is not None}
    exact = find_exactly(mixed, settings)
    by_jobs = find_on_many_nodes(mixed, settings)
    many = vary(texts, clustered, seed=1)
    begin = time.process_time()
    jobs_dropped = len(find_on_many_nodes(many, settings))
    jobs_s = time.process_time() - begin
    command = [sys.executable, __file__, "--minhash", str(large)]
    timed = subprocess.run(command, input=json.dumps(texts), capture_output=True, text=True, check=True)
    return {
        "sample": len(mixed),
        "near_duplicates_exact": len(exact),
        "recall": round(len(found & exact) / len(exact), 4),
        "precision": round(len(found & exact) / len(found), 4),
        "many_nodes_recall": round(len(by_jobs & exact) / len(exact), 4),
        "many_nodes_precision": round(len(by_jobs & exact) / len(by_jobs), 4),
        "many_nodes_functions": clustered,
        "many_nodes_kept": clustered - jobs_dropped,
        "many_nodes_core_s": round(jobs_s, 1),
        "many_nodes_functions_per_core_s": round(clustered / jobs_s),
        **json.loads(timed.stdout),
    }


def find_exactly(texts: Sequence[str], settings: NearDuplicatesConfig) -> set[int]:
    """Return the numbers of the near-duplicates, found by comparing every text with all those kept before it."""
    kept: list[set[str]] = []
    found: set[int] = set()
    for number, text in enumerate(texts):
        parts = shingles(text, settings.ngram)
        if any(_similar(parts, other, settings.threshold) for other in kept):
            found.add(number)
        else:
            kept.append(parts)
    return found


def _similar(one: set[str], other: set[str], threshold: float) -> bool:
    small, large = sorted((len(one), len(other)))  # the sizes alone decide most pairs
    return small >= threshold * large and jaccard(one, other) >= threshold


def find_on_many_nodes(texts: Sequence[str], settings: NearDuplicatesConfig) -> set[int]:
    """Return the positions of the texts that the jobs of `by: nodes` drop; here they run one after another."""
    with tempfile.TemporaryDirectory(prefix="selfalign-minhash-") as name:
        work = Path(name)
        write_jsonl(work / "rows.jsonl", ({"seed": text} for text in texts))
        write_signatures(work / "rows.jsonl", work / "signatures", 0, settings)
        pairs = []
        for band in range(count_bands(settings.threshold, settings.num_perm)):
            write_pairs(work / "signatures", work / "neighbours", band, settings)
            pairs.append(work / f"{band}.jsonl")
            neighbours = work / f"neighbours/{band:05d}_00.dups"
            check_pairs(neighbours, [work / "rows.jsonl"], pairs[-1], settings)
        write_cuts(pairs, [work / "cuts.jsonl"])
        return {cut["row"] for cut in read_jsonl(work / "cuts.jsonl")}


def memory_gib() -> float:
    """Return the peak memory of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def run_minhash(number: int) -> dict[str, Any]:
    """Deduplicate `number` functions made from those on standard input; in a process of its own, for its memory."""
    texts = json.load(sys.stdin)
    index = NearDuplicates(NearDuplicatesConfig())
    kept = done = 0
    begin = time.process_time()
    spent = 0.0
    empty = memory_gib()
    while done < number:
        part = vary(texts, min(10_000, number - done), seed=done)
        begin = time.process_time()
        kept += sum(index.add(text) is None for text in part)
        spent += time.process_time() - begin
        done += len(part)
    return {
        "minhash_functions": number,
        "minhash_kept": kept,
        "minhash_s": round(spent, 1),
        "minhash_functions_per_s": round(number / spent),
        "minhash_empty_memory_gib": round(empty, 2),
        "minhash_peak_memory_gib": round(memory_gib(), 2),
    }


def plan(figures: dict[str, Any]) -> dict[str, Any]:
    """Return the estimated core hours for the documented functions of The Stack, from the measured rates.

    The shares that reach a step are those of this corpus; the judge's time is the server's and not in here.
    """
    extraction, checks, duplicates = figures["extraction"], figures["checks"], figures["duplicates"]
    passing = STACK_FUNCTIONS * extraction["kept"] / extraction["functions"]
    hours = {
        "extract_and_filter": STACK_FUNCTIONS / extraction["functions_per_s"] / 3600,
        "near_duplicates": passing / duplicates["minhash_functions_per_s"] / 3600,
        "imports": passing / checks["imports_functions_per_s"] / 3600,
        "types": passing / checks["types_functions_per_s"] / 3600,
    }
    number, empty, full = (
        duplicates[f"minhash_{name}"] for name in ("functions", "empty_memory_gib", "peak_memory_gib")
    )
    parallel = sum(hours.values()) - hours["near_duplicates"]
    return {
        "functions": STACK_FUNCTIONS,
        "functions_after_text_filters": round(passing),
        "core_hours": {name: round(value, 2) for name, value in hours.items()},
        "wall_hours_by_cores": {
            str(cores): round(parallel / cores + hours["near_duplicates"], 2) for cores in (2, 16, 64, 256)
        },
        "near_duplicates_peak_memory_gib": round(empty + (full - empty) * passing / number, 1),
        "near_duplicates_on_many_nodes_core_hours": round(
            passing / duplicates["many_nodes_functions_per_core_s"] / 3600, 2
        ),
    }


def main() -> None:
    """Run everything and print the figures."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--json", action="store_true", help="only the JSON object")
    options.add_argument("--quick", action="store_true", help="smaller samples, under ten minutes")
    options.add_argument("--minhash", type=int, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.minhash:
        print(json.dumps(run_minhash(chosen.minhash)))
        return

    def say(name: str, values: dict[str, Any]) -> dict[str, Any]:
        if not chosen.json:
            print(f"{name}: {json.dumps(values, indent=2)}")
        return values

    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="selfalign-seeds-") as name:
        files = read_corpus(Path(name))
    figures["extraction"] = say("extraction", measure_extraction(files, 1 if chosen.quick else 3))
    rows = corpus_rows(files)
    checked = rows[:300] if chosen.quick else rows[:1000]
    batches = [100, 300] if chosen.quick else [50, 100, 250, 500, 1000]
    figures["checks"] = say("checks", measure_checks(checked, batches))
    sizes = (1000, 3000, 30_000) if chosen.quick else (4000, 30_000, 1_000_000)
    figures["duplicates"] = say("duplicates", measure_duplicates(rows, *sizes))
    figures["the_stack"] = say("the_stack", plan(figures))
    result = {
        "benchmark": "seeds",
        "quick": chosen.quick,
        "baseline": "one pass, parse and tree-sitter query a filter",
        "extract_filter_ratio": figures["extraction"]["extract_filter_ratio"],
        **figures,
        "machine": {
            "cpu": "2 cores, 24 GiB, x86-64, no GPU",
            "python": platform.python_version(),
        },
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
