"""Scoring by `selfalign score` against the `evalplus.evaluate` command: same samples, same data, same machine.

HumanEval+ v0.1.10: the 164 published answers of StarCoder2-15B-Instruct. MBPP+ v0.2.0: its reference solutions, every
third one spoilt, since no answers to it are published. Each command runs twice: first on empty answers, which is when it
computes the ground truth, then on these. Each as it comes: EvalPlus takes half the cores, ours all. `verdicts_equal`
compares what the two commands said. Where they differ, EvalPlus' own check judges that answer once more, alone in a
process (`baseline_alone`): its limits are of wall time, and the command's processes, which inherit the memory of a large
parent, can be slow enough to break them. `differing_explained` says whether it then agrees with ours. Needs
the published data: `make published` downloads them.

    python benchmarks/scoring.py --json [--quick]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from selfalign.benchmarks import load_benchmark
from selfalign.core.host import machine
from selfalign.core.jsonl import read_jsonl, write_jsonl

ROOT = Path(__file__).resolve().parent.parent
DOWNLOADS = ROOT / "resources"
PUBLISHED = DOWNLOADS / "published/evalplus-starcoder2-15b-instruct-v0.1-humaneval.jsonl"
SPOILT = "\n\ndef {entry_point}(*args, **kwargs):\n    return 'wrong'\n"
ALONE = """
import gzip, json, sys
from evalplus.data.mbpp import mbpp_deserialize_inputs
from evalplus.eval import MBPP_OUTPUT_NOT_NONE_TASKS, untrusted_check
from evalplus.gen.util import trusted_exec

job = json.load(sys.stdin)
answer = job["answer"]
with gzip.open(job["file"], "rt") as lines:
    (task,) = [row for row in map(json.loads, lines) if row["task_id"] == answer["task_id"]]
inputs, entry_point = task[job["part"] + "_input"], task["entry_point"]
if job["dataset"] == "mbpp":
    inputs = mbpp_deserialize_inputs(task["task_id"], inputs)
reference = task["prompt"] + task["canonical_solution"]
not_none = entry_point in MBPP_OUTPUT_NOT_NONE_TASKS
expected, times = trusted_exec(reference, inputs, entry_point, record_time=True, output_not_none=not_none)
code = answer["solution"] if "solution" in answer else task["prompt"] + answer["completion"]
status, _ = untrusted_check(
    job["dataset"], code, inputs, entry_point, expected, task["atol"], times, fast_check=True
)
print(status)
"""
CASES = {
    "humaneval_plus": ("v0.1.10", "humaneval", "HUMANEVAL_OVERRIDE_PATH", "HumanEvalPlus-v0.1.10.jsonl.gz"),
    "mbpp_plus": ("v0.2.0", "mbpp", "MBPP_OVERRIDE_PATH", "MbppPlus-v0.2.0.jsonl.gz"),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    parser.add_argument("--quick", action="store_true", help="HumanEval+ only")
    options = parser.parse_args()

    names = ["humaneval_plus"] if options.quick else list(CASES)
    for path in (PUBLISHED, *(DOWNLOADS / "benchmarks" / name / CASES[name][3] for name in names)):
        if not path.is_file():
            sys.exit(f"{path} is missing; `make published` downloads it")
    with tempfile.TemporaryDirectory(prefix="scoring-") as scratch:
        benchmarks = {name: compare(name, Path(scratch).resolve() / name) for name in names}
    result = {
        "benchmark": "scoring",
        "baseline": "the evalplus.evaluate command, evalplus 0.3.1",
        "wall_ratio": min(each["wall_ratio"] for each in benchmarks.values()),
        "verdicts_equal": all(each["verdicts_equal"] for each in benchmarks.values()),
        "per_benchmark": benchmarks,
        "machine": machine(),
        "quick": options.quick,
    }
    if not options.json:
        for name, each in benchmarks.items():
            print(
                f"{name}: {each['wall_ratio']:.1f} times less wall time than {result['baseline']}",
                file=sys.stderr,
            )
    print(json.dumps(result, indent=None if options.json else 2))


def compare(name: str, scratch: Path) -> dict[str, Any]:
    """Score the same samples with both commands; return the wall times, their ratio and whether the verdicts agree."""
    version, dataset, override, file = CASES[name]
    data = DOWNLOADS / "benchmarks" / name
    scratch.mkdir()
    samples, empty = scratch / "samples.jsonl", scratch / "empty.jsonl"
    write_samples(name, version, data, samples)
    write_jsonl(empty, ({"task_id": row["task_id"], "solution": ""} for row in read_jsonl(samples)))

    environment = {
        **os.environ,
        override: str((data / file).resolve()),
        "XDG_CACHE_HOME": str(scratch / "cache"),
        "HF_HUB_OFFLINE": "1",
    }
    theirs = [sys.executable, "-m", "evalplus.evaluate", "--dataset", dataset, "--samples"]
    ours = [
        *(sys.executable, "-m", "selfalign", "score", "--benchmark", name, "--dataset-version", version),
        *("--data", str(data), "--ground-truth", str(scratch / "truth.jsonl")),
    ]
    their_walls, our_walls = [], []
    for each in (empty, samples):
        their_walls.append(wall([*theirs, str(each)], environment))
        our_walls.append(wall([*ours, str(each), str(scratch / "ours")], dict(os.environ)))

    published = json.loads((scratch / "samples_eval_results.json").read_text())["eval"]
    answers = {row["task_id"]: row for row in read_jsonl(samples)}
    differing = []
    for verdict in read_jsonl(scratch / "ours" / "verdicts.jsonl"):
        task = verdict["task_id"]
        for part in ("base", "plus"):
            mine, other = verdict[part]["status"], published[task][0][f"{part}_status"]
            if (mine == "pass") != (other == "pass"):
                alone = check_alone(dataset, data / file, answers[task], part)
                differing.append(
                    {"task_id": task, "part": part, "ours": mine, "baseline": other, "baseline_alone": alone}
                )
    return {
        "version": version,
        "samples": len(published),
        "wall_ratio": round(their_walls[1] / our_walls[1], 2),
        "wall_s": round(our_walls[1], 2),
        "baseline_wall_s": round(their_walls[1], 2),
        "ground_truth_and_empty_answers": {
            "wall_s": round(our_walls[0], 2),
            "baseline_wall_s": round(their_walls[0], 2),
        },
        "verdicts_equal": not differing,
        "differing_explained": all(
            (each["ours"] == "pass") == (each["baseline_alone"] == "pass") for each in differing
        ),
        "verdicts_differing": differing,
    }


def check_alone(dataset: str, file: Path, answer: dict[str, Any], part: str) -> str:
    """Return the status of a sample according to EvalPlus' check, run in a process of its own."""
    job = json.dumps({"dataset": dataset, "file": str(file), "answer": answer, "part": part})
    done = subprocess.run(
        [sys.executable, "-c", ALONE], input=job, capture_output=True, text=True, check=True
    )
    return done.stdout.split()[-1]


def write_samples(name: str, version: str, data: Path, out: Path) -> None:
    """Write the samples that both score."""
    if name == "humaneval_plus":
        write_jsonl(out, read_jsonl(PUBLISHED))
        return
    tasks = load_benchmark(name, version, data).tasks
    write_jsonl(
        out,
        (
            {
                "task_id": task.id,
                "solution": task.prompt
                + task.canonical_solution
                + (SPOILT.format(entry_point=task.entry_point) if number % 3 == 2 else ""),
            }
            for number, task in enumerate(tasks)
        ),
    )


def wall(command: list[str], environment: dict[str, str]) -> float:
    """Run a command; return the seconds it took."""
    begun = time.monotonic()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command[:4])} ended with status {done.returncode}:\n{done.stderr[-2000:]}")
    return time.monotonic() - begun


if __name__ == "__main__":
    main()
