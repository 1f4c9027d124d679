"""What choosing rows by agreement, preference pairs and a second round add to the default build, with several seeds.

    python benchmarks/selection.py --json [--seeds 3407 13407 23407] [--mbpp] [--configfile FILE ...] [--cores N]

Two builds for each seed of the generation, with the FILEs over the default configuration; a finished build is only read:

- results/selection-own-SEED: rows that pass their own tests;
- results/selection-agreement-SEED: of each instruction the response that agrees most with the others
  (`curation.consensus`), then DPO on preference pairs (`preferences`), and a second round, whatever the first one gained.

The last line of the output is one JSON object. For each comparison and benchmark it has, for each seed, what the two
models solve of the same tasks, and McNemar's exact test, and the same test over all seeds together:

- consensus: rows chosen by agreement against rows that pass their own tests, with models trained on the same number of
  rows, the first ones of each data set: for `self_tests` a point of the learning curve, on the tasks that both builds
  have; for other benchmarks a further build, results/selection-same-SEED, that starts with these rows of the larger data set.
- preferences: the model after DPO against the tuned model.
- round 2: the tuned model of the second round against that of the first.

Tasks of HumanEval and MBPP are the same with every seed; those of `self_tests` are not.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from gain import MBPP, SEEDS

from selfalign.core.config import read_config
from selfalign.core.config.evaluation import SELF_TESTS
from selfalign.core.config.learning_curve import CurvePoint, LearningCurveConfig
from selfalign.core.host import machine
from selfalign.core.jsonl import read_jsonl
from selfalign.evaluate.score import solved
from selfalign.evaluate.statistics import mcnemar

LAYOUT = "own"
AGREEMENT: dict[str, Any] = {
    "execution": {"matrix": {"enabled": True}},
    "curation": {"consensus": True},
    "preferences": {"enabled": True},
    "rounds": 2,
    "next_round": {"max_p_value": None, "min_diversity": None},
}


def main() -> None:
    """Build and score with every seed, and print one JSON object."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--mbpp", action="store_true", help="score MBPP+ as well")
    parser.add_argument("--configfile", type=Path, nargs="+", default=[], help="over the default")
    parser.add_argument("--cores", type=int, default=os.cpu_count())
    parser.add_argument("--json", action="store_true", help="print one JSON object last (always done)")
    given = parser.parse_args()
    evaluation: dict[str, Any] = {"layouts": {"base": [LAYOUT], "tuned": [LAYOUT]}}
    evaluation["benchmarks"] = read_config(None).evaluation.model_dump()["benchmarks"] + [MBPP] * given.mbpp
    comparisons: dict[str, dict[str, dict[str, Any]]] = defaultdict(lambda: defaultdict(dict))
    pairs: dict[tuple[str, str], list[tuple[bool, bool]]] = defaultdict(list)
    rows: dict[str, dict[str, int]] = {}
    for seed in given.seeds:
        settings = {"generation": {"seed": seed}, "evaluation": evaluation}
        own = Build(f"selection-own-{seed}", settings, given.configfile, given.cores)
        agreement = Build(
            f"selection-agreement-{seed}", {**settings, **AGREEMENT}, given.configfile, given.cores
        )
        numbers = {name: build.rows() for name, build in (("own", own), ("agreement", agreement))}
        same_number = min(numbers.values())
        for build in (own, agreement):
            build.make(learning_curve={"instructions": [same_number]})
        rows[f"seed {seed}"] = {**numbers, "same_number": same_number}
        tuned = f"scores/tuned/{LAYOUT}"
        of_same_number = [
            build
            if numbers[name] == same_number
            else build.with_first_rows(same_number, f"selection-same-{seed}")
            for name, build in (("own", own), ("agreement", agreement))
        ]
        for benchmark in sorted(path.name for path in (agreement.directory / tuned).iterdir()):
            same = benchmark == SELF_TESTS
            compared = {
                "consensus": (own.curve_point(same_number), agreement.curve_point(same_number))
                if same
                else tuple(build.directory / tuned / benchmark for build in of_same_number),
                "preferences": (
                    agreement.directory / tuned / benchmark,
                    agreement.directory / f"scores/preferred/{LAYOUT}" / benchmark,
                ),
                "round 2": (
                    agreement.directory / tuned / benchmark,
                    agreement.directory / "round-2" / tuned / benchmark,
                ),
            }
            tasks = own.tasks() & agreement.tasks() if same else None
            for name, directories in compared.items():
                first, second = (solved(each, ("base",)) for each in directories)
                known = [task for task in first if tasks is None or name != "consensus" or task in tasks]
                both = [(first[task], second[task]) for task in known]
                pairs[name, benchmark] += both
                comparisons[name][benchmark][f"seed {seed}"] = {
                    "n": len(both),
                    "first": sum(one for one, _ in both),
                    "second": sum(two for _, two in both),
                    "mcnemar": mcnemar(*map(list, zip(*both, strict=True))),
                }
    for (name, benchmark), both in pairs.items():
        comparisons[name][benchmark]["together"] = mcnemar(*map(list, zip(*both, strict=True)))
    print(
        json.dumps({"benchmark": "selection", "rows": rows, "comparisons": comparisons, "machine": machine()})
    )


class Build:
    """A build of the workflow.

    Args:
        run: name of the run.
        settings: configuration of the run.
        files: configuration files below it.
        cores: number of cores.
    """

    def __init__(self, run: str, settings: Mapping[str, Any], files: list[Path], cores: int) -> None:
        self.directory = Path("results") / run
        self._settings = {"run": run, **settings}
        self._files = files
        self._cores = cores

    def make(self, *targets: str, **more: Any) -> None:
        """Build targets, by default the whole run.

        Args:
            targets: files in the directory of the run.
            more: further sections of the configuration.
        """
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            yaml.safe_dump({**self._settings, **more}, file)
            file.flush()
            command = ["snakemake", "--cores", str(self._cores), "--configfile", *map(str, self._files)]
            paths = [str(self.directory / target) for target in targets]
            subprocess.run([*command, file.name, "--", *paths], check=True, stdout=subprocess.DEVNULL)

    def rows(self) -> int:
        """Build the data set; return its number of rows."""
        self.make("dataset/train.jsonl")
        return sum(1 for _ in read_jsonl(self.directory / "dataset/train.jsonl"))

    def tasks(self) -> set[str]:
        """Return the ids of the tasks of self_tests; a task is the response that its tests come from."""
        return {task["task_id"] for task in read_jsonl(self.directory / "self_tests/tasks.jsonl")}

    def with_first_rows(self, number: int, run: str) -> Build:
        """Train on the first rows of this data set alone, and score on all benchmarks but `self_tests`; return the build.

        Args:
            number: number of rows, of which the learning curve has a point.
            run: name of the build.
        """
        rows = self.directory / "learning_curve/rows"
        evaluation = self._settings["evaluation"]
        benchmarks = [each for each in evaluation["benchmarks"] if each["name"] != SELF_TESTS]
        settings = {
            "generation": self._settings["generation"],
            "evaluation": {**evaluation, "benchmarks": benchmarks},
            "start": {
                "stage": "dataset",
                "dataset": f"./{rows}",
                "files": [f"{_curve_point(number).rows}.jsonl"],
                "count": number,
            },
            "curation": {
                "self_tests": {"share": 0.0},
                "quality": {"asserting_tests": False, "nontrivial_tests": False},
            },
        }
        build = Build(run, settings, self._files, self._cores)
        if build.rows() != number:
            raise SystemExit(f"{build.directory}: expected the {number} rows that were imported")
        build.make()
        return build

    def curve_point(self, instructions: int) -> Path:
        """Return the directory of the verdicts of the learning curve's point.

        Args:
            instructions: number of instructions of the point.
        """
        return self.directory / "learning_curve/scores" / _curve_point(instructions).key


def _curve_point(instructions: int) -> CurvePoint:
    (point,) = LearningCurveConfig(instructions=[instructions]).points()
    return point


if __name__ == "__main__":
    main()
