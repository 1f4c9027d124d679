"""Dry run of the published configuration (time and memory of its DAG), and builds with the test server and small records.

    python benchmarks/scale.py --json [--quick] [--soak DIR] [--minutes M]

Planned is presets/starcoder2-15b.yaml itself, by a dry run. Then the default build's jobs, with a tiny model and the
test server, are run and run again (not with ``--quick``). ``--soak DIR`` runs a build with as many shards as the published
one in DIR, two seeds each, seeds to report, against the test server; it can be cut off after ``--minutes`` and goes on in
the same DIR. The baseline is the goal: a DAG in 60 s and 2 GB, nothing to do in 10 s. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from selfalign.core.host import machine

ROOT = Path(__file__).resolve().parents[1]
PRESET = "presets/starcoder2-15b.yaml"
GOAL = {"dag_s": 60, "dag_mb": 2000, "nothing_to_do_s": 10}
# Seeds per shard in the soak test.
SMALL = 2


def snakemake(*arguments: str, cwd: Path = ROOT, minutes: float | None = None) -> tuple[dict[str, Any], str]:
    """Run Snakemake; return status, wall time (s) and peak memory (MB), and its output."""
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]
    log = cwd / ".snakemake" / "scale.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    with log.open("w") as output:
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
        process = subprocess.Popen(command, cwd=cwd, stdout=output, stderr=output, env=environment)
        deadline = started + 60 * minutes if minutes else float("inf")
        while (done := os.wait4(process.pid, os.WNOHANG))[0] == 0:
            if time.perf_counter() > deadline:
                process.send_signal(signal.SIGINT)
                deadline += 20  # again, where it was not heard
            time.sleep(0.02)
    process.returncode = os.waitstatus_to_exitcode(done[1])
    figures = {
        "status": process.returncode,
        "wall_s": round(time.perf_counter() - started, 1),
        "cpu_s": round(done[2].ru_utime + done[2].ru_stime, 1),
        "peak_mb": round(done[2].ru_maxrss / 1024),
    }
    return figures, log.read_text()


def jobs_of(output: str) -> dict[str, int]:
    """Return the number of jobs of each rule, and the total, from the table of a dry run."""
    return {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", output, re.MULTILINE)}


def planned() -> dict[str, Any]:
    """Return time and memory of the dry run of the published configuration, and its jobs."""
    figures, output = snakemake("--dry-run", "--quiet", "host", "--configfile", PRESET)
    if figures["status"]:
        raise SystemExit(output[-2000:])
    return {"preset": PRESET, **figures, "jobs": jobs_of(output)}


def idle() -> dict[str, Any]:
    """Return the time of a second run after the default build with a tiny model and the test server."""
    sys.path.insert(0, str(ROOT))
    from tests.tiny import write_tiny_checkpoint
    from tests.workflow.harness import tiny_config, working_copy

    tiny = tiny_config()
    config = {
        **{section: tiny[section] for section in ("model", "server")},
        "training": {"max_steps": 2, "min_rows": 1},
    }
    with tempfile.TemporaryDirectory() as temporary:
        directory = working_copy(Path(temporary))
        write_tiny_checkpoint(directory / "tiny-model")
        (directory / "idle.yaml").write_text(yaml.safe_dump(config))
        built, output = snakemake("--configfile", "idle.yaml", cwd=directory)
        if built["status"]:
            raise SystemExit(output[-3000:])
        again, said = snakemake("--configfile", "idle.yaml", cwd=directory)
    jobs = re.search(r"(\d+) of \1 steps", output)
    return {**again, "said": "Nothing to be done" in said, "jobs": int(jobs[1]) if jobs else None}


def write_soak(directory: Path, shards: int) -> None:
    """Write the workflow, a tiny model, plain functions to seed it and a configuration of `shards` shards."""
    sys.path.insert(0, str(ROOT))
    from tests.tiny import write_tiny_checkpoint
    from tests.workflow.harness import tiny_config, working_copy

    working_copy(directory)
    tiny = tiny_config()
    write_tiny_checkpoint(directory / "tiny-model")
    functions = [
        f'def scaled_sum_{n}(first: int, second: int) -> int:\n    """Return first plus {n} times second."""\n'
        f"    return first + {n} * second\n"
        for n in range(SMALL * shards)
    ]
    (directory / "functions").mkdir()
    for part in range(8):
        (directory / f"functions/part_{part}.py").write_text("\n\n".join(functions[part::8]))
    config = {
        "run": "soak",
        **{section: tiny[section] for section in ("model", "server")},
        "seeds": {
            "count": SMALL * shards,
            "sources": {"kind": "directory", "path": "functions", "parts": 8},
            "near_duplicates": {"enabled": False},
            "imports": {"enabled": False},
            "types": {"enabled": False},
        },
        "generation": {"shard_size": SMALL, "responses": {"n": 2}},
        "training": {"max_steps": 1, "gradient_accumulation_steps": 1, "max_length": 2048, "min_rows": 1},
        "evaluation": {"layouts": {"base": ["plain"], "tuned": []}},
    }
    (directory / "soak.yaml").write_text(yaml.safe_dump(config))


def soak(directory: Path, shards: int, minutes: float | None) -> dict[str, Any]:
    """Continue the build in `directory`; return its total time so far and whether it is complete."""
    if not (directory / "soak.yaml").exists():
        write_soak(directory, shards)
    past = directory / "parts.json"
    parts = json.loads(past.read_text()) if past.exists() else []
    figures, output = snakemake("--configfile", "soak.yaml", cwd=directory, minutes=minutes)
    parts.append(figures)
    past.write_text(json.dumps(parts))
    result = directory / "results/soak"
    found: dict[str, Any] = {
        "shards": shards,
        "seeds": SMALL * shards,
        "parts": parts,
        "shards_executed": len(list((result / "execution/shards").glob("*.jsonl"))),
        "complete": figures["status"] == 0,
    }
    if figures["status"] == 0:
        funnel = json.loads((result / "report/funnel.json").read_text())["steps"]
        found["rows"] = {step["step"]: step["out"] for step in funnel}
        idle, said = snakemake("--configfile", "soak.yaml", cwd=directory)
        found["nothing_to_do"] = {**idle, "said": "Nothing to be done" in said}
    elif not minutes:
        raise SystemExit(output[-3000:])
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print the object on one line")
    parser.add_argument("--quick", action="store_true", help="dry run only")
    parser.add_argument(
        "--soak", type=Path, metavar="DIR", help="directory of the soak test, which is continued if it exists"
    )
    parser.add_argument("--minutes", type=float, help="interrupt the soak test after this time")
    given = parser.parse_args()
    figures: dict[str, Any] = {
        "benchmark": "scale",
        "quick": given.quick,
        "baseline": "the goal",
        "goal": GOAL,
        "dag": planned(),
    }
    figures["ratio"] = round(GOAL["dag_s"] / figures["dag"]["wall_s"], 2)
    if not given.quick:
        figures["nothing_to_do"] = idle()
    if given.soak and not given.quick:
        shards = figures["dag"]["jobs"]["responses"]
        figures["soak"] = soak(given.soak.resolve(), shards, given.minutes)
    figures["machine"] = machine()
    print(json.dumps(figures) if given.json else json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
