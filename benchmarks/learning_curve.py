"""The learning curve of a build: scores of models that were trained on parts of its data set.

    python benchmarks/learning_curve.py --json [--configfile FILE ...] [--cores N]

Builds with the FILEs over the default configuration (default: presets/laptop-evening.yaml) and presets/learning-curve.yaml
over them; what is finished is only read. The last line of the output is one JSON object: the layout, the number of tasks
of `self_tests`, the rate that the base model solves, and for each model (responses to each instruction, learning rate,
number of instructions) the number of rows that it was trained on, the rate that it solves with its interval, and McNemar's
exact test against the base model.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
from pathlib import Path

from selfalign.core.config.files import read_yaml
from selfalign.core.host import machine
from selfalign.core.jsonl import read_json

CURVE = Path("presets/learning-curve.yaml")


def main() -> None:
    """Build, and print the learning curve as one JSON object."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--configfile", type=Path, nargs="+", default=[Path("presets/laptop-evening.yaml")])
    parser.add_argument("--cores", type=int, default=os.cpu_count())
    parser.add_argument("--json", action="store_true", help="print one JSON object last (always done)")
    given = parser.parse_args()
    files = [*given.configfile, CURVE]
    subprocess.run(
        ["snakemake", "--cores", str(given.cores), "--configfile", *map(str, files)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    run = next((str(found["run"]) for found in map(read_yaml, reversed(files)) if "run" in found), "default")
    curve = read_json(Path("results") / run / "learning_curve/curve.json")
    points = {
        f"{each.pop('responses')}, {each.pop('learning_rate')}, {each['instructions']}": each
        for each in curve.pop("points")
    }
    print(
        json.dumps(
            {
                "benchmark": "learning_curve",
                "run": run,
                "scored_on": curve.pop("benchmark"),
                **curve,
                "points": points,
                "machine": machine(),
            }
        )
    )


if __name__ == "__main__":
    main()
