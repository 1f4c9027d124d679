"""Training: the published batching (rows one by one, gradients added up) against packing and length grouping.

    python benchmarks/training.py --json [--quick] [--checkpoint DIR] [--threads N]

The rows are those of the final data set that the reference makes of the texts in tests/vectors (31 rows, 197 tokens on
average), repeated as often as the steps need; ``long_rows`` has the figures of longer ones: functions of Python's standard
library, the docstring as the instruction and the source as the response, cut at 1280 tokens.

The same steps, so the same rows and the same gradients, are computed with each batching, each in a process of
its own. Figures (the last line of the output is one JSON object):

- ``tokens_per_s``: tokens of rows per second of wall time, by batching; the first step, which warms up, is left out.
  Padding does not count. What all rows begin with (the system sentence of the prompt) counts in every row, and is
  computed once a batch when packed. ``tokens_per_cpu_s``: the same per second of CPU time, steadier on a busy machine.
- ``packing_ratio``, ``grouping_ratio``: over ``one_by_one``, the published batching in a plain process. All others
  run with the memory settings that `selfalign train` makes on a CPU; ``one_by_one_kept`` is the published batching with
  them too, so ``batching_ratio``, of packing over that, is what packing alone does. ``padded_4`` is rows in their
  shuffled order padded to the longest of 4; ``grouped_4`` rows of similar length.
- ``peak_memory_mb``: most resident memory of each process.
- ``loss_difference``: largest difference of a step's loss from the baseline's; they are equal but for rounding.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import platform
import random
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from selfalign.core.config.training import TrainingConfig
from selfalign.core.host import machine
from selfalign.core.jsonl import read_jsonl
from selfalign.train.launch import memory_settings

ROOT = Path(__file__).resolve().parent.parent
BASELINE, KEPT = "one_by_one", "one_by_one_kept"
BATCHINGS: dict[str, dict[str, Any]] = {
    BASELINE: {"batching": "padded", "per_device_train_batch_size": 1},
    KEPT: {"batching": "padded", "per_device_train_batch_size": 1},
    "padded_4": {"batching": "padded", "per_device_train_batch_size": 4},
    "grouped_4": {"batching": "grouped", "per_device_train_batch_size": 4},
    "packed": {"batching": "packed", "per_device_train_batch_size": 1},
}
PADDED = ("padded_4", "grouped_4")
RATIOS = (
    ("packing_ratio", "packed", BASELINE),
    ("batching_ratio", "packed", KEPT),
    ("grouping_ratio", "grouped_4", BASELINE),
)


def final_rows(count: int) -> list[dict[str, str]]:
    """Return `count` rows: those of the reference's final data set, repeated."""
    return list(islice(cycle(read_jsonl(ROOT / "tests/vectors/final_all.jsonl")), count))


def library_rows() -> list[dict[str, str]]:
    """Return the documented functions of the standard library whose docstring leaves room for an answer, shuffled."""
    rows = [
        row for row in _documented(Path(sysconfig.get_paths()["stdlib"])) if len(row["instruction"]) < 1500
    ]
    return random.Random(0).sample(rows, len(rows))


def _documented(library: Path) -> Iterator[dict[str, str]]:
    for path in sorted(library.glob("*.py")):
        text = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and (docstring := ast.get_docstring(node)):
                source = ast.get_source_segment(text, node) or ""
                yield {"instruction": docstring, "response": f"```python\n{source}\n```"}


def recipe(name: str, rows_per_step: int, steps: int) -> TrainingConfig:
    """Return the published recipe in float32, with the same rows in a step whatever the batching."""
    how = BATCHINGS[name]
    return TrainingConfig(
        learning_rate=1e-5,
        num_train_epochs=4,
        max_steps=steps,
        gradient_accumulation_steps=rows_per_step // how["per_device_train_batch_size"],
        max_length=1280,
        packed_tokens=2048,
        save_steps=1_000_000,
        **how,
    )


def measure(given: argparse.Namespace) -> dict[str, Any]:
    """Train with one batching in this process."""
    import torch

    from selfalign.train.data import encode, load_format
    from selfalign.train.run import build_trainer
    from selfalign.train.trainer import peak_memory_mb

    torch.set_num_threads(given.threads)
    config = recipe(given.one, given.rows_per_step, given.steps)
    chat = load_format(given.checkpoint, config.layout)
    count = given.rows_per_step * given.steps
    rows = library_rows()[:count] if given.long else final_rows(count)
    encoded = encode(rows, chat, config.max_length)
    with tempfile.TemporaryDirectory() as work:
        trainer = build_trainer(config, given.checkpoint, encoded, chat.tokenizer, work)
        marks: list[tuple[float, float]] = []
        plain_log = trainer.log

        def log(logs: dict[str, float], start_time: float | None = None) -> None:
            marks.append((time.perf_counter(), time.process_time()))
            plain_log(logs, start_time)

        trainer.log = log
        trainer.train()
    logged = [row for row in trainer.state.log_history if "loss" in row]
    tokens = sum(row["tokens"] for row in logged[1:])
    (wall, cpu), (wall_end, cpu_end) = marks[0], marks[len(logged) - 1]
    return {
        "tokens_per_s": tokens / (wall_end - wall),
        "tokens_per_cpu_s": tokens / (cpu_end - cpu),
        "peak_memory_mb": round(peak_memory_mb()),
        "losses": [row["loss"] for row in logged],
        "tokens": tokens,
    }


def in_its_own_process(
    name: str, given: argparse.Namespace, rows_per_step: int, steps: int, *, long: bool
) -> dict[str, Any]:
    """Return the figures of one batching."""
    command = [sys.executable, __file__, "--one", name, "--checkpoint", str(given.checkpoint)]
    command += ["--threads", str(given.threads), "--rows-per-step", str(rows_per_step)]
    command += ["--steps", str(steps), *(["--long"] if long else [])]
    settings = {} if name == BASELINE else memory_settings()
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **settings}
    )
    if done.returncode:
        sys.exit(f"{name}: {done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def compare(given: argparse.Namespace, rows_per_step: int, steps: int, *, long: bool) -> dict[str, Any]:
    """Return the figures of all batchings on the same rows."""
    found = {
        name: in_its_own_process(name, given, rows_per_step, steps, long=long)
        for name in BATCHINGS
        if not (long and name in PADDED)  # padded batches of long rows take 14 GB
    }
    losses = {name: each["losses"] for name, each in found.items()}
    figures: dict[str, Any] = {}
    for unit in ("tokens_per_s", "tokens_per_cpu_s"):
        figures[unit] = {name: round(each[unit], 1) for name, each in found.items()}
    for ratio, name, over in RATIOS:
        if name in found:
            for unit, suffix in (("tokens_per_s", ""), ("tokens_per_cpu_s", "_cpu")):
                figures[ratio + suffix] = round(found[name][unit] / found[over][unit], 2)
    return {
        **figures,
        "peak_memory_mb": {name: each["peak_memory_mb"] for name, each in found.items()},
        "losses": losses[BASELINE],
        "loss_difference": max(
            abs(a - b) for each in losses.values() for a, b in zip(each, losses[BASELINE], strict=True)
        ),
        "rows_per_step": rows_per_step,
        "steps_measured": steps - 1,
        "tokens_measured": found[BASELINE]["tokens"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON object")
    parser.add_argument("--quick", action="store_true", help="fewer and smaller steps: under ten minutes")
    parser.add_argument("--checkpoint", type=Path, default=ROOT / "results/default/model/base")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    for hidden in ("--rows-per-step", "--steps"):
        parser.add_argument(hidden, type=int, help=argparse.SUPPRESS)
    parser.add_argument("--long", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--one", choices=BATCHINGS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measure(given)))
        return
    # A published batch has 64 rows.
    short, long = ((16, 3), (4, 3)) if given.quick else ((64, 2), (8, 2))
    figures = {
        "benchmark": "training",
        "quick": given.quick,
        "baseline": f"{BASELINE}: rows alone, gradients of a step added up, logits of all positions",
        **compare(given, *short, long=False),
        "long_rows": compare(given, *long, long=True),
        "machine": {
            **machine(),
            "processor": platform.machine(),
            "threads": given.threads,
            "load": [round(value, 1) for value in os.getloadavg()],
        },
    }
    print(json.dumps(figures, indent=None if given.json else 2))


if __name__ == "__main__":
    main()
