"""EvalPlus' scoring, and EvoEval's that descends from it: outputs compared with a reference solution's."""

from __future__ import annotations

from pathlib import Path

from selfalign.benchmarks import Benchmark, Task
from selfalign.evaluate.ground_truth import read_ground_truth
from selfalign.evaluate.harness import evalplus_check
from selfalign.evaluate.scorers.base import harness_program, limits
from selfalign.sandbox import Program

# EvalPlus' own: 4 GiB, and no more than a minute for the inputs of a part, and one second.
MEMORY_MB = 4096
TOTAL_S = 60.0
SLACK_S = 1.0
# Characters of packed cases that pass through the sandbox in a second.
CASES_PER_S = 2.5e7

# The name under which EvalPlus knows the special-case tasks; EvoEval has none of them.
_DATASETS = {"evalplus_humaneval": "humaneval", "evalplus_mbpp": "mbpp", "evoeval": "evoeval"}


class Oracles:
    """See the module.

    Args:
        exact_floats: floating-point outputs must be equal to the bit, as in the run of April 2024 that was published
            with StarCoder2-Instruct; by default they may differ by 1e-6, as in EvalPlus now.

    Raises:
        DataError: the ground truth is that of other data.
    """

    def __init__(self, benchmark: Benchmark, ground_truth: str | Path, *, exact_floats: bool = False) -> None:
        self._exact_floats = exact_floats
        self._dataset = _DATASETS[benchmark.definition.scoring]
        self._truth = read_ground_truth(ground_truth, benchmark)
        self.parts: tuple[str, ...] = ("base", "plus") if benchmark.definition.has_plus else ("base",)

    def program(self, key: str, task: Task, solution: str, part: str) -> Program:
        """Return the program that checks the answer on the inputs of one part, up to the first failure."""
        truth = self._truth[task.id][part]
        job = {
            "dataset": self._dataset,
            "entry_point": task.entry_point,
            "code": solution,
            "cases": truth["cases"],
            "limits": truth["limits"],
            "atol": task.record.get("atol", 0),
            "exact_floats": self._exact_floats,
        }
        total = min(TOTAL_S, sum(truth["limits"])) + SLACK_S
        return harness_program(key, evalplus_check, job, limits(total, MEMORY_MB))

    def cost(self, task: Task, part: str) -> float:
        """Return the time limits of the inputs, as far as they exceed the least one, and the time to read them."""
        truth = self._truth[task.id][part]
        found = truth["limits"]
        return sum(found) - len(found) * min(found, default=0.0) + len(truth["cases"]) / CASES_PER_S
