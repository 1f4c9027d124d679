"""What the training adds: base and tuned model of the default build, with several seeds of the generation.

    python benchmarks/gain.py --json [--seeds 3407 13407 23407] [--mbpp] [--configfile FILE] [--cores N]

Builds the default configuration (with FILE over it, if given) once for each seed, into results/gain-SEED; a finished
build is only read. The last line of the output is one JSON object: for each benchmark the layout of the comparison (the
one, of those in which both models were scored, in which the base model is best), for each build the number of training
rows and of tasks, the tasks that each model solves and McNemar's exact test, and the same test over all builds together.
Tasks of HumanEval and MBPP are the same in every build, and so are the base model's answers; those of `self_tests` are
not.

``--mbpp`` also scores MBPP+ (v0.2.0), which is downloaded.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import yaml

from selfalign.core.config import read_config
from selfalign.core.config.files import read_yaml
from selfalign.core.host import machine
from selfalign.core.jsonl import read_json, read_jsonl
from selfalign.evaluate.score import first_value, solved
from selfalign.evaluate.statistics import mcnemar

MBPP = {"name": "mbpp_plus", "version": "v0.2.0", "max_new_tokens": 192}
# Far apart, since record i uses seed + i.
SEEDS = (3407, 13407, 23407)


def main() -> None:
    """Build and score with every seed, and print one JSON object."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--mbpp", action="store_true", help="score MBPP+ as well")
    parser.add_argument("--configfile", type=Path, help="configuration over the default")
    parser.add_argument("--cores", type=int, default=os.cpu_count())
    parser.add_argument("--json", action="store_true", help="print one JSON object last (always done)")
    given = parser.parse_args()
    runs = {seed: build(seed, given.mbpp, given.configfile, given.cores) for seed in given.seeds}
    summaries = {seed: read_json(run / "scores/summary.json") for seed, run in runs.items()}
    benchmarks = dict.fromkeys(
        each["benchmark"] for summary in summaries.values() for each in summary["comparisons"]
    )
    found = {name: compare(name, runs, summaries) for name in benchmarks}
    print(json.dumps({"benchmark": "gain", "benchmarks": found, "machine": machine()}))


def build(seed: int, mbpp: bool, configuration: Path | None, cores: int) -> Path:
    """Build with a seed; return the directory of the run."""
    config: dict[str, Any] = dict(read_yaml(configuration)) if configuration else {}
    config["run"] = f"gain-{seed}"
    config["generation"] = {**config.get("generation", {}), "seed": seed}
    if mbpp:
        benchmarks = read_config(configuration).evaluation.model_dump()["benchmarks"]
        config["evaluation"] = {**config.get("evaluation", {}), "benchmarks": [*benchmarks, MBPP]}
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump(config, file)
        file.flush()
        subprocess.run(
            ["snakemake", "--cores", str(cores), "--configfile", file.name],
            check=True,
        )
    return Path("results") / config["run"]


def compare(name: str, runs: dict[int, Path], summaries: dict[int, dict[str, Any]]) -> dict[str, Any]:
    """Compare base and tuned model on a benchmark, in each build and over all of them."""
    builds: dict[str, dict[str, Any]] = {}
    before: list[bool] = []
    after: list[bool] = []
    for seed, run in runs.items():
        summary = summaries[seed]
        layout = next(
            each["layout"]
            for each in summary["comparisons"]
            if each["benchmark"] == name and each["headline"]
        )
        scores = {
            each["model"]: each
            for each in summary["scores"]
            if each["benchmark"] == name and each["layout"] == layout
        }
        base, tuned = (
            solved(run / "scores" / model / layout / name, ("base",)) for model in ("base", "tuned")
        )
        pairs = [base[task] for task in base], [tuned[task] for task in base]
        before += pairs[0]
        after += pairs[1]
        builds[f"seed {seed}"] = {
            "layout": layout,
            "rows": sum(1 for _ in read_jsonl(run / "dataset/train.jsonl")),
            "n": len(base),
            **{model: round(first_value(score) * len(base)) for model, score in scores.items()},
            "mcnemar": mcnemar(*pairs),
        }
    return {**builds, "together": mcnemar(before, after)}


if __name__ == "__main__":
    main()
