"""The matrix of implementations and tests: cells per second with shared imports, against the same programs one by one.

    python benchmarks/matrix.py --json [--quick]

The set is made here: ten instructions with ten different implementations and ten different tests each, so 1,000 cells. Six of
ten implementations are right, two are wrong and two raise an exception. Half of the tests are plain assertions, half are in a
function. By what the implementations import (``KINDS``): five instructions nothing, two only modules that every sandbox has
loaded (``collections``, ``re``), two other modules of the standard library (``dataclasses``; ``heapq`` and ``datetime``), one
numpy. No cell runs into a limit; one that does takes its limit both ways. The composition decides the ratio, so ``kinds`` has
the figures of each kind, and ``ratio_without_numpy`` leaves that instruction out.

- one_by_one: every cell as a program in sandboxes that have loaded the usual modules, as everywhere else in the pipeline.
- shared: as ``selfalign.curate.matrix`` runs them, by groups with the same modules loaded.

Both run in the same sandboxes' runtime with isolation, one slot per core, in alternation; the median round counts. Sandboxes are
opened before (``opening_s``: all of the shared way). ``cpu_ms`` is CPU time per cell of this process, the sandboxes and the programs.

``time`` shows where the CPU time of a cell without imports goes: the program's own process, the rest of the sandbox, this
process, and ``loading_ms``, what compiling and executing the implementation takes by itself. ``bare_fork_ms`` is what a cell takes
in an interpreter that has executed the implementation and forks for each test, without any isolation, limit, pipe or proof:
``bare_fork_ratio`` is the most that forking the state of loaded code could reach for cells without imports.

``plan`` multiplies: 238,000 instructions with 10 × 10 cells and the CPU time per cell here.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from itertools import product
from typing import Any

import psutil

from selfalign.core.host import machine
from selfalign.curate.matrix import NO_PRELOAD, PRELOADS, Cell, Matrix, Preload
from selfalign.sandbox import Pool, Verdict, open_pool

CORES = len(os.sched_getaffinity(0))
PUBLISHED_CELLS = 23_800_000
ROUNDS = 5
TARGET = 3
RUNTIME = "bubblewrap"

# Kind, imports, name, right bodies, a wrong body, and arguments with the expected result.
INSTRUCTIONS: tuple[tuple[str, str, str, tuple[str, str, str], str, tuple[tuple[str, str], ...]], ...] = (
    (
        "no imports",
        "",
        "merge(a, b)",
        (
            "    return sorted(a + b)",
            "    out = list(a)\n    out.extend(b)\n    out.sort()\n    return out",
            "    a, b, out = list(a), list(b), []\n    while a and b:\n        out.append((a if a[0] <= b[0] else b).pop(0))\n"
            "    return out + a + b",
        ),
        "    return a + b",
        (("[1, 4], [2, 3]", "[1, 2, 3, 4]"), ("[], [1]", "[1]"), ("[5], [2]", "[2, 5]")),
    ),
    (
        "no imports",
        "",
        "is_prime(a, b=2)",
        (
            "    return a >= 2 and all(a % i for i in range(b, int(a ** 0.5) + 1))",
            "    if a < 2:\n        return False\n    while b * b <= a:\n        if a % b == 0:\n            return False\n"
            "        b += 1\n    return True",
            "    return a > 1 and not any(a % i == 0 for i in range(b, a))",
        ),
        "    return a % 2 == 1",
        (("7", "True"), ("9", "False"), ("97", "True")),
    ),
    (
        "no imports",
        "",
        "running_total(a, b=0)",
        (
            "    out = []\n    for x in a:\n        b += x\n        out.append(b)\n    return out",
            "    return [b + sum(a[: i + 1]) for i in range(len(a))]",
            "    if not a:\n        return []\n    return [a[0] + b] + running_total(a[1:], a[0] + b)",
        ),
        "    return [x + b for x in a]",
        (("[1, 2, 3]", "[1, 3, 6]"), ("[]", "[]"), ("[5, 5]", "[5, 10]")),
    ),
    (
        "no imports",
        "",
        "caesar(a, b)",
        (
            "    return ''.join(chr((ord(c) - 97 + b) % 26 + 97) if c.islower() else c for c in a)",
            "    letters = 'abcdefghijklmnopqrstuvwxyz'\n    table = str.maketrans(letters, letters[b:] + letters[:b])\n"
            "    return a.translate(table)",
            "    out = ''\n    for c in a:\n        if 'a' <= c <= 'z':\n            c = chr((ord(c) - ord('a') + b) % 26 + ord('a'))\n"
            "        out += c\n    return out",
        ),
        "    return a",
        (("'abc', 1", "'bcd'"), ("'xyz', 3", "'abc'"), ("'a b', 2", "'c d'")),
    ),
    (
        "no imports",
        "class Account:\n    def __init__(self, balance):\n        self.balance = balance\n\n"
        "    def deposit(self, amount):\n        self.balance += amount\n        return self\n\n",
        "final_balance(a, b)",
        (
            "    account = Account(a)\n    for amount in b:\n        account.deposit(amount)\n    return account.balance",
            "    return Account(a).deposit(sum(b)).balance",
            "    account = Account(a)\n    while b:\n        account = account.deposit(b[0])\n        b = b[1:]\n"
            "    return account.balance",
        ),
        "    return Account(a).balance",
        (("1, [2, 3]", "6"), ("0, []", "0"), ("10, [-4]", "6")),
    ),
    (
        "loaded modules",
        "from collections import Counter\n",
        "most_common(a, b=1)",
        (
            "    return [x for x, _ in Counter(a).most_common(b)]",
            "    counts = Counter(a)\n    return sorted(counts, key=lambda x: -counts[x])[:b]",
            "    counts = Counter()\n    for x in a:\n        counts[x] += 1\n    return [x for x, _ in counts.most_common()][:b]",
        ),
        "    return list(Counter(a))[-b:]",
        (("'aab'", "['a']"), ("[1, 2, 2]", "[2]"), ("'abcbb'", "['b']")),
    ),
    (
        "loaded modules",
        "import re\n",
        "words(a, b='')",
        (
            "    return re.findall(r'[a-z]+', a.lower())",
            "    return [w for w in re.split(r'[^a-z]+', a.lower()) if w]",
            "    return [m.group() for m in re.finditer('[a-z]+', a.lower())]",
        ),
        "    return re.findall(r'[a-z]', a)",
        (("'One, two'", "['one', 'two']"), ("''", "[]"), ("'a1b'", "['a', 'b']")),
    ),
    (
        "standard library",
        "from dataclasses import dataclass\n\n\n@dataclass(order=True)\nclass Item:\n    price: float\n    name: str\n\n\n",
        "cheapest(a, b=None)",
        (
            "    return min(Item(price, name) for name, price in a).name",
            "    items = sorted(Item(price, name) for name, price in a)\n    return items[0].name",
            "    best = None\n    for name, price in a:\n        item = Item(price, name)\n        if best is None or item < best:\n"
            "            best = item\n    return best.name",
        ),
        "    return max(Item(price, name) for name, price in a).price",
        (("[('x', 2), ('y', 1)]", "'y'"), ("[('x', 2)]", "'x'"), ("[('b', 1), ('a', 1)]", "'a'")),
    ),
    (
        "standard library",
        "import heapq\nfrom datetime import date, timedelta\n\n\n",
        "earliest(a, b)",
        (
            "    days = [date(2024, 1, 1) + timedelta(days=x) for x in a]\n    return [d.day for d in heapq.nsmallest(b, days)]",
            "    heap = [date(2024, 1, 1) + timedelta(x) for x in a]\n    heapq.heapify(heap)\n"
            "    return [heapq.heappop(heap).day for _ in range(min(b, len(heap)))]",
            "    return [(date(2024, 1, 1) + timedelta(x)).day for x in heapq.nsmallest(b, a)]",
        ),
        "    return heapq.nsmallest(b, a)",
        (("[3, 1, 2], 2", "[2, 3]"), ("[], 1", "[]"), ("[5], 1", "[6]")),
    ),
    (
        "numpy",
        "import numpy as np\n",
        "normalized(a, b=1)",
        (
            "    v = np.array(a, float)\n    return (b * v / v.sum()).tolist()",
            "    return [float(x) for x in b * np.asarray(a) / np.sum(a)]",
            "    v = np.array(a, dtype=float)\n    v *= b / np.sum(v)\n    return list(map(float, v))",
        ),
        "    return np.array(a).tolist()",
        (("[1, 1]", "[0.5, 0.5]"), ("[2, 6]", "[0.25, 0.75]"), ("[4]", "[1.0]")),
    ),
)
KINDS = tuple(dict.fromkeys(each[0] for each in INSTRUCTIONS))

# Run without isolation: for each implementation, execute it once and fork for each of the tests.
BARE_FORK = """
import abc, bisect, collections, copy, ctypes, enum, functools, gc, itertools, json, math, os, random, re, resource, sys, typing

libc = ctypes.PyDLL(None)
work = [(compile(code, "c", "exec"), [compile(test, "t", "exec") for test in tests]) for code, tests in json.load(sys.stdin)]
sys.stderr = open(os.devnull, "w")
gc.collect()
gc.freeze()
usage = lambda: sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
before, cells = usage(), 0
for code, tests in work:
    space = {"__name__": "__main__"}
    exec(code, space)
    for test in tests:
        cells += 1
        pid = libc.fork()
        if pid == 0:
            try:
                exec(test, space)
            except Exception:
                libc._exit(1)
            libc._exit(0)
        os.waitpid(pid, 0)
print((usage() - before) * 1000 / cells)
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    parser.add_argument("--quick", action="store_true", help="one round")
    options = parser.parse_args()

    load = os.getloadavg()[0]
    cells = cells_by_kind()
    result = {
        "benchmark": "matrix",
        "instructions": len(INSTRUCTIONS),
        "cells": sum(map(len, cells.values())),
        **measured(cells, 1 if options.quick else ROUNDS),
        "machine": machine(),
        "python": platform.python_version(),
        "load_at_start": round(load, 1),
        "conditions": "otherwise idle" if load < 0.5 * CORES else "other work on the machine",
        "quick": options.quick,
    }
    if not options.json:
        print(f"{result['ratio']} times the cells per second (target: {TARGET})", file=sys.stderr)
    print(json.dumps(result, indent=None if options.json else 2))


def cells_by_kind() -> dict[str, list[Cell]]:
    """Return the cells by the kind of their instruction."""
    found: dict[str, list[Cell]] = {kind: [] for kind in KINDS}
    for number, (kind, imports, signature, right, wrong, cases) in enumerate(INSTRUCTIONS):
        matrix = Matrix(number, signature)
        texts = zip(implementations(imports, signature, right, wrong), tests(signature, cases), strict=True)
        for sample, (code, test) in enumerate(texts):
            response = f"[Implementation]\n```python\n{code}\n```\n\n[Explanation]\nNone.\n\n[Tests]\n```python\n{test}\n```"
            if reason := matrix.add(f"{number}.{sample}", f"[Reasoning]\nNone.\n\n{response}"):
                raise SystemExit(f"{signature}, response {sample}: {reason}")
        cells = list(matrix.mark())
        if len(cells) != 100:
            raise SystemExit(f"{signature}: {len(cells)} cells instead of 100")
        found[kind] += cells
    return found


def implementations(imports: str, signature: str, right: Sequence[str], wrong: str) -> list[str]:
    """Return ten different implementations: six right ones, two wrong ones, and two that raise an exception."""
    bodies = [*right, wrong, f"    raise NotImplementedError({signature!r})"]
    guards = ("", "    if a is None:\n        raise TypeError('expected a value')\n")
    return [f"{imports}def {signature}:\n{guard}{body}" for body, guard in product(bodies, guards)]


def tests(signature: str, cases: Sequence[tuple[str, str]]) -> list[str]:
    """Return ten different tests: five selections of the cases, as plain assertions and in a function."""
    name = signature.partition("(")[0]
    lines = [f"assert {name}({given}) == {expected}" for given, expected in cases]
    selections = (lines[:1], lines[1:], lines[::2], lines[:2], lines)
    plain = ["\n".join(selection) for selection in selections]
    in_function = [
        f"def test_{name}():\n" + "".join(f"    {line}\n" for line in selection) + f"\ntest_{name}()"
        for selection in selections
    ]
    return plain + in_function


def measured(cells: dict[str, list[Cell]], rounds: int) -> dict[str, Any]:
    """Run the cells both ways; return the figures."""
    with ExitStack() as stack:
        start = time.perf_counter()
        pools: dict[Preload, Pool] = {}
        for preload in (NO_PRELOAD, *PRELOADS):
            warm = [f"import {name}" for name in preload.modules]
            pools[preload] = stack.enter_context(open_pool(RUNTIME, workers=CORES, warm=warm))
            list(pools[preload].run([each.program("module") for each in cells[KINDS[0]][:50]]))
        opening = time.perf_counter() - start
        ways: dict[str, dict[str, list[dict[str, float]]]] = {
            way: {kind: [] for kind in KINDS} for way in ("one_by_one", "shared")
        }
        statuses: Counter[str] = Counter()
        differing = 0
        for _ in range(rounds):
            for kind, group in cells.items():
                alone, verdicts = timed(pools[NO_PRELOAD], group)
                preload = group[0].preload()
                shared, others = timed(pools[preload], group)
                ways["one_by_one"][kind].append(alone)
                ways["shared"][kind].append(shared)
                statuses.update(verdicts)
                differing += sum(one != other for one, other in zip(verdicts, others, strict=True))
        if differing or "infrastructure" in statuses:
            raise SystemExit(f"{differing} verdicts differ: {statuses}")
        usual = pools[NO_PRELOAD]
        time_of_cell = where_time_goes(usual, cells["no imports"])
    kinds = {
        kind: compared({way: median(found[kind]) for way, found in ways.items()}, len(cells[kind]))
        for kind in KINDS
    }
    total = {way: summed(found, cells) for way, found in ways.items()}
    without_numpy = {way: summed(found, {**cells, "numpy": []}) for way, found in ways.items()}
    plain_ms = kinds["no imports"]["one_by_one"]["cpu_ms"]
    bare_ms = bare_fork_ms(cells["no imports"])
    return {
        "rounds": rounds,
        **total,
        "ratio": ratio(total),
        "cpu_ratio": ratio(total, "cpu_ms"),
        "target_ratio": TARGET,
        "ratio_without_numpy": ratio(without_numpy),
        "kinds": kinds,
        "verdicts": dict(statuses.most_common()),
        "differing_verdicts": differing,
        "opening_s": round(opening, 1),
        "time": time_of_cell,
        "bare_fork_ms": round(bare_ms, 2),
        "bare_fork_ratio": round(plain_ms / bare_ms, 2),
        "plan": {
            "cells": PUBLISHED_CELLS,
            **{
                f"{way}_core_hours": round(found["cpu_ms"] / 1000 * PUBLISHED_CELLS / 3600, 1)
                for way, found in total.items()
            },
        },
    }


def timed(pool: Pool, cells: Sequence[Cell]) -> tuple[dict[str, float], list[str]]:
    """Run cells; return wall and CPU time in seconds, and the statuses."""
    before, start = cpu_seconds(), time.perf_counter()
    statuses = [verdict.status for verdict in run(pool, cells)]
    return {"wall_s": time.perf_counter() - start, "cpu_s": cpu_seconds() - before}, statuses


def run(pool: Pool, cells: Iterable[Cell]) -> Iterable[Verdict]:
    """Return the verdicts of cells."""
    return pool.run(cell.program("module") for cell in cells)


def cpu_seconds() -> float:
    """Return the CPU time of this process and all below it."""
    process = psutil.Process()
    times = [process.cpu_times()] + [each.cpu_times() for each in process.children(recursive=True)]
    return sum(each.user + each.system + each.children_user + each.children_system for each in times)


def median(rounds: list[dict[str, float]]) -> dict[str, float]:
    """Return the median times of rounds."""
    return {key: statistics.median(each[key] for each in rounds) for key in ("wall_s", "cpu_s")}


def summed(found: dict[str, list[dict[str, float]]], cells: dict[str, list[Cell]]) -> dict[str, float]:
    """Return the figures of all kinds together, from the median of each."""
    kinds = {kind: median(found[kind]) for kind, group in cells.items() if group}
    count = sum(map(len, cells.values()))
    return per_cell({key: sum(each[key] for each in kinds.values()) for key in ("wall_s", "cpu_s")}, count)


def compared(ways: dict[str, dict[str, float]], count: int) -> dict[str, Any]:
    """Return the figures of one kind."""
    figures = {way: per_cell(found, count) for way, found in ways.items()}
    return {"cells": count, **figures, "ratio": ratio(figures)}


def per_cell(times: dict[str, float], count: int) -> dict[str, float]:
    """Return cells per second and milliseconds of CPU time per cell."""
    return {
        "cells_per_s": round(count / times["wall_s"], 1),
        "cpu_ms": round(1000 * times["cpu_s"] / count, 3),
    }


def ratio(ways: dict[str, dict[str, float]], key: str = "cells_per_s") -> float:
    """Return how many times faster the shared way is."""
    one, shared = ways["one_by_one"][key], ways["shared"][key]
    return round(shared / one if key == "cells_per_s" else one / shared, 2)


def where_time_goes(pool: Pool, cells: Sequence[Cell]) -> dict[str, float]:
    """Return milliseconds of CPU time per cell, by where they are spent."""
    before, own = cpu_seconds(), time.process_time()
    verdicts = list(run(pool, cells))
    total, own = cpu_seconds() - before, time.process_time() - own
    program = sum(verdict.cpu_s for verdict in verdicts)
    sources = [next(iter(cell.matrix.implementations.values())).source for cell in cells[::100]]
    start = time.process_time()
    for _, source in product(range(100), sources):
        exec(compile(source, "implementation", "exec"), {"__name__": "__main__"})
    loading = (time.process_time() - start) / 100 / len(sources)
    milliseconds = {
        "program_ms": program / len(cells),
        "sandbox_ms": (total - own - program) / len(cells),
        "supervisor_ms": own / len(cells),
        "loading_ms": loading,
    }
    return {name: round(1000 * seconds, 3) for name, seconds in milliseconds.items()}


def bare_fork_ms(cells: Sequence[Cell]) -> float:
    """Return milliseconds of CPU time per cell where an interpreter forks the state of loaded code, without isolation."""
    matrices = {id(cell.matrix): cell.matrix for cell in cells}.values()
    work = [
        (implementation.source, [each.source for each in matrix.tests.values()])
        for matrix in matrices
        for implementation in matrix.implementations.values()
    ]
    command = [sys.executable, "-S", "-E", "-c", BARE_FORK]
    done = subprocess.run(command, input=json.dumps(work), capture_output=True, text=True, check=True)
    return float(done.stdout)


if __name__ == "__main__":
    main()
