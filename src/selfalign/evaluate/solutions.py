"""Contamination by execution: functions of training rows that solve tasks of a benchmark.

Every top-level function of the rows is called on inputs of every task that it can be called with. Expected results stay
outside the process of the function, so a function cannot be stopped at its first wrong result. Instead there are two
rounds with few inputs, after each of which its results are compared here, and only the tasks that are left are run with
all their tests, as a sample of a model is (:mod:`selfalign.evaluate.scoring`).

One program runs one function on all tasks: a program for each pair takes some forty times as long
(``benchmarks/contamination.py``), and a function cannot affect the results of another one.
"""

from __future__ import annotations

import json
import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from selfalign.benchmarks import Benchmark, Task, definition_sha256
from selfalign.contamination.functions import RowFunction, functions_of
from selfalign.core.config.evaluation import EvaluationConfig, ScoringLimits
from selfalign.core.errors import ConfigError, InfrastructureError
from selfalign.core.hashing import file_sha256, json_sha256
from selfalign.core.jsonl import Record, read_json, read_numbered, require, write_json, write_jsonl
from selfalign.core.lineage import row_id
from selfalign.evaluate.ground_truth import accepts_iterables, limits_path, update_ground_truth
from selfalign.evaluate.harness import answer_functions, harness_source, values
from selfalign.evaluate.result_comparison import EXACT, comparison_of, may_be_right
from selfalign.evaluate.score import PASS
from selfalign.evaluate.scorers import (
    CheckScorer,
    EvalPlusScorer,
    Scorer,
    build_scorer,
    needs_ground_truth,
)
from selfalign.evaluate.scoring import (
    Job,
    ScoringPools,
    check_harness,
    check_references,
    judge,
    open_scoring_pools,
)
from selfalign.program_environments import ProgramEnvironment
from selfalign.sandbox import Limits, Pool, Program, Verdict
from selfalign.sandbox.cache import VerdictCache
from selfalign.sandbox.launch import guest_digest

logger = logging.getLogger(__name__)

# Inputs of a task in each round. The first inputs exclude most functions; the others most that return one of few values.
ROUNDS = (2, 12)
# Inputs of a task from which those of the rounds are taken: the shortest ones, in characters of JSON.
CANDIDATES = 60
MAX_INPUT = 4000
# CPU time of a call in the rounds, and that in which the reference solution answers the inputs taken, in seconds.
CALL_LIMIT_S = 0.05
REFERENCE_LIMIT_S = 0.02
# CPU time of a call where the tests that a function passes are counted.
COUNTED_CALL_LIMIT_S = 1.0
LIMITS = Limits(wall_s=90, cpu_s=5, memory_mb=1024, file_mb=16, output_kb=8192)
COUNTING_LIMITS = Limits(wall_s=240, cpu_s=30, memory_mb=4096, file_mb=16, output_kb=1 << 16)
# Programs of a function in a round. A program ends early if the function exhausts memory or time, or ends its process.
MAX_PROGRAMS = 5
# Functions between two writes to the verdict cache.
CHUNK = 500
# Error of a program that is ended at its wall-clock limit.
WALL = "wall"
# Share of the tests from which a function that does not solve a task is listed.
LISTED_SHARE = 0.9

Case = tuple[str, str]  # arguments and expected result of a test, as written by values.dumps
Pair = tuple[RowFunction, str]  # function and id of a task


@dataclass(frozen=True)
class SearchedBenchmark:
    """A benchmark whose tasks are tried.

    Attributes:
        benchmark: the loaded benchmark, with all its tasks.
        ground_truth: file written by :mod:`~selfalign.evaluate.ground_truth`, for benchmarks that need one.
        time_limits: compute the ground truth (with these limits) and the results of the reference solutions if they are
            missing or outdated; None: never.
        environment: what programs can import; None: ``build``.
        limits: limits with which the solutions left by the rounds are scored.
        references: results of the reference solutions, see :mod:`~selfalign.evaluate.references`; None: only one reference
            solution of each package is run, and must pass.
        max_reference_failures: number of reference solutions that may fail.
    """

    benchmark: Benchmark
    ground_truth: str | Path | None = None
    time_limits: EvaluationConfig | None = None
    environment: ProgramEnvironment | None = None
    limits: ScoringLimits = field(default_factory=ScoringLimits)
    references: str | Path | None = None
    max_reference_failures: int = 0


@dataclass(frozen=True)
class Probes:
    """Inputs of a task for the rounds.

    Attributes:
        task: the task.
        rounds: cases of each round.
        comparison: how results are compared, see :func:`~selfalign.evaluate.result_comparison.may_be_right`.
        iterables: whether the items of an iterable object are its result.
        counts: numbers of arguments of the inputs.
    """

    task: Task
    rounds: tuple[tuple[Case, ...], ...]
    comparison: str
    iterables: bool
    counts: frozenset[int]

    def fits(self, function: RowFunction) -> bool:
        """Return whether a function can be called with the arguments of the task.

        Args:
            function: function of a row.
        """
        return all(map(function.accepts, self.counts))


@dataclass
class Found:
    """What is known of one function and one benchmark.

    Attributes:
        tasks: objects with ``task_id``, ``solved``, ``tests_passed`` and ``tests`` (their number).
        unfinished: why not all tasks were tried, None if they were.
        exceeded_wall_time: whether a program was ended at its wall-clock limit. This can be due to a busy machine, so
            nothing is cached.
    """

    tasks: list[dict[str, Any]] = field(default_factory=list)
    unfinished: str | None = None
    exceeded_wall_time: bool = False


def check_searchable(benchmark: Benchmark) -> None:
    """Check that the tasks of a benchmark are functions with inputs and expected results.

    Args:
        benchmark: a loaded benchmark.

    Raises:
        ConfigError: they are not.
    """
    if not benchmark.definition.tests_functions:
        raise ConfigError(
            f"benchmark '{benchmark.name}': its tasks cannot be tried on functions of rows; expected HumanEval, HumanEval+, "
            "MBPP, MBPP+ or EvoEval"
        )


def find_solutions_file(
    rows: str | Path,
    searched: SearchedBenchmark,
    out: str | Path,
    summary: str | Path | None = None,
    *,
    runtime: str = "auto",
    workers: int | None = None,
    cache: str | Path | None = None,
) -> dict[str, Any]:
    """Write the functions of rows that solve tasks of a benchmark, or pass most of their tests.

    A function solves a task if it passes all its tests, as a sample of a model would. Another one that is right on the
    inputs of all rounds is listed too, if its results agree with those of the reference solution, but for small
    differences of numbers, in at least 90 % of the tests. Tasks with several right results list solutions only.

    Args:
        rows: JSON Lines file with ``response``.
        searched: the benchmark.
        out: JSON Lines file with a line for each row, function and task: ``benchmark``, ``version``, ``task_id``, ``line``
            (number of the row in the file, from 1), ``row`` (its id; null if it has none), ``function``, ``solved``,
            ``tests_passed``, ``tests``, ``share`` and the ``lineage`` of the row, if it has one.
        summary: JSON file of the returned object; None writes none.
        runtime: sandbox runtime.
        workers: number of programs run at a time; None: one per core.
        cache: file of the verdict cache; None: none.

    Returns:
        ``benchmark`` and ``version``; numbers of ``rows``, different ``functions``, ``excluded`` functions by reason, ``tasks``,
        and ``pairs`` of a function and a task that it can be called with; the ids of the ``solved_tasks``, and of
        the ``tasks_without_inputs``, on which the reference solution takes too long; the number of ``solving_rows``; and
        ``unfinished`` functions by reason: ``not_defined`` (their code raises), or the status of the program.

    Raises:
        DataError: a row has no response, or the ground truth is missing.
        ConfigError: the tasks of the benchmark are not functions.
        InfrastructureError: the sandbox failed; nothing is written.
    """
    benchmark = searched.benchmark
    check_searchable(benchmark)
    places: defaultdict[RowFunction, list[int]] = defaultdict(list)
    excluded: Counter[str] = Counter()
    count = 0
    for number, row in read_numbered(rows):
        count += 1
        found = functions_of(require(row, "response", str, file=rows, number=number))
        excluded += found.excluded
        for function in found.functions:
            places[function].append(number)
    by_line: defaultdict[int, list[dict[str, Any]]] = defaultdict(list)
    with open_scoring_pools(runtime, workers, searched.environment, searched.limits) as pools:
        search = Search(searched, pools)
        for function, result in search.run([*places], cache):
            for line in places[function]:
                by_line[line] += [{"function": function.name, **task} for task in result.tasks]
    solving = [line for line, tasks in by_line.items() if any(task["solved"] for task in tasks)]
    counts = {
        "benchmark": benchmark.name,
        "version": benchmark.version,
        "rows": count,
        "functions": len(places),
        "excluded": dict(sorted(excluded.items())),
        **search.counts(),
        "solving_rows": len(solving),
    }
    logger.info(
        "%s: %d of %d tasks are solved by %d of %d rows",
        *(benchmark.title, len(counts["solved_tasks"]), len(benchmark.tasks), len(solving), count),
    )
    write_jsonl(out, _solution_rows(rows, benchmark, by_line))
    if summary is not None:
        write_json(summary, counts)
    return counts


def _solution_rows(
    rows: str | Path, benchmark: Benchmark, by_line: Mapping[int, Sequence[dict[str, Any]]]
) -> Iterator[Record]:
    for number, row in read_numbered(rows):
        for found in by_line.get(number, ()):
            yield {
                "benchmark": benchmark.name,
                "version": benchmark.version,
                "task_id": found["task_id"],
                "line": number,
                "row": row_id(row),
                "function": found["function"],
                "solved": found["solved"],
                "tests_passed": found["tests_passed"],
                "tests": found["tests"],
                "share": found["tests_passed"] / found["tests"],
                **({"lineage": row["lineage"]} if "lineage" in row else {}),
            }


class Search:
    """Search for solutions of the tasks of a benchmark.

    Args:
        searched: the benchmark.
        pools: sandboxes of the answers and of the judges.

    Raises:
        DataError: more reference solutions fail than are allowed.
        InfrastructureError: the sandbox fails the check of :func:`~selfalign.evaluate.scoring.check_harness`.
    """

    def __init__(self, searched: SearchedBenchmark, pools: ScoringPools) -> None:
        self._benchmark = searched.benchmark
        self._truth = searched.ground_truth
        self._pools = pools
        self._limits = searched.limits
        if searched.time_limits and needs_ground_truth(self._benchmark) and self._truth is not None:
            update_ground_truth(self._benchmark, pools.judges, self._truth, searched.time_limits)
        self._scorer: Scorer = build_scorer(self._benchmark, self._truth, limits=searched.limits)
        failing: set[str] = set()
        if searched.references is not None:
            _, failing = check_references(
                *(self._benchmark, self._scorer, pools, searched.references, searched.max_reference_failures),
                compute=searched.time_limits is not None,
            )
        check_harness(self._benchmark, self._scorer, pools, failing)
        self._scorer.prepare(self._benchmark.tasks, pools.judges)
        self._tasks = self._benchmark.by_id()
        self.probes = self._find_probes()
        self.pairs = 0
        self._solved: set[str] = set()
        self._unfinished: Counter[str] = Counter()
        # The tasks of functions of the same arity, and the text of their groups in the first round.
        self._by_arity: dict[tuple[int, int | None], tuple[list[Probes], str]] = {}

    def counts(self) -> dict[str, Any]:
        """Return counts of tasks and functions; see :func:`find_solutions_file`."""
        return {
            "tasks": len(self._tasks),
            "tasks_without_inputs": [each for each in self._tasks if each not in self.probes],
            "pairs": self.pairs,
            "solved_tasks": [each for each in self._tasks if each in self._solved],
            "unfinished": dict(sorted(self._unfinished.items())),
        }

    def run(
        self, functions: Sequence[RowFunction], cache: str | Path | None = None
    ) -> Iterator[tuple[RowFunction, Found]]:
        """Yield every function with what was found.

        Args:
            functions: different functions.
            cache: file of the verdict cache; None: none.

        Raises:
            InfrastructureError: the sandbox failed.
        """
        with ExitStack() as stack:
            known = stack.enter_context(VerdictCache(cache)) if cache else None
            for start in range(0, len(functions), CHUNK):
                chunk = functions[start : start + CHUNK]
                found = {each: self._known(known, each) for each in chunk} if known else {}
                new = [each for each in chunk if found.get(each) is None]
                for function, result in self._search(new).items():
                    found[function] = result
                    if known is not None and not result.exceeded_wall_time:
                        known.put(self._key(function), self._verdict(function, result))
                for function in chunk:
                    result = found[function]
                    assert result is not None
                    self._count(function, result)
                    yield function, result

    def _count(self, function: RowFunction, found: Found) -> None:
        self.pairs += len(self._fitting(function)[0])
        self._solved.update(each["task_id"] for each in found.tasks if each["solved"])
        if found.unfinished:
            self._unfinished[found.unfinished] += 1

    def _fitting(self, function: RowFunction) -> tuple[list[Probes], str]:
        """Return the tasks that a function can be called with, and the text of their groups in the first round."""
        arity = (function.fewest, function.most)
        if arity not in self._by_arity:
            tasks = [probes for probes in self.probes.values() if probes.fits(function)]
            self._by_arity[arity] = tasks, _groups(tasks, 0)
        return self._by_arity[arity]

    def _search(self, functions: Sequence[RowFunction]) -> dict[RowFunction, Found]:
        """Return what is found of each function."""
        found = {function: Found() for function in functions}
        left = {function: tasks for function in functions if (tasks := self._fitting(function)[0])}
        for number in range(len(ROUNDS)):
            left = self._round(left, number, found)
        pairs = [(function, probes.task.id) for function, tasks in left.items() for probes in tasks]
        solved = self._judge(pairs, found)
        unsolved = [
            (function, task_id)
            for function, task_id in pairs
            if (function, task_id) not in solved and self.probes[task_id].comparison in EXACT
        ]
        counted = dict(zip(unsolved, self._count_tests(unsolved, found), strict=True))
        for pair in pairs:
            function, task_id = pair
            total = len(self._cases[task_id])
            passed = total if pair in solved else counted.get(pair, 0)
            if pair in solved or passed >= LISTED_SHARE * total:
                found[function].tasks.append(
                    {"task_id": task_id, "solved": pair in solved, "tests_passed": passed, "tests": total}
                )
        return found

    def _round(
        self, wanted: Mapping[RowFunction, list[Probes]], number: int, found: Mapping[RowFunction, Found]
    ) -> dict[RowFunction, list[Probes]]:
        """Return the tasks of each function that its results on the inputs of one round leave."""
        left: dict[RowFunction, list[Probes]] = defaultdict(list)
        programs: Counter[RowFunction] = Counter()
        waiting = wanted
        while waiting:
            again: dict[RowFunction, list[Probes]] = {}
            run = self._run(
                (self.program(function, probes, number) for function, probes in waiting.items()),
                self._pools.answers,
            )
            for (function, tasks), verdict in zip(waiting.items(), run, strict=True):
                results = _results(verdict)
                if verdict.error == WALL:
                    found[function].exceeded_wall_time = True
                if results is None:
                    found[function].unfinished = "not_defined"
                    continue
                for probes, result in zip(tasks, results, strict=False):
                    if _may_solve(probes, number, result):
                        left[function].append(probes)
                programs[function] += 1
                # The program ended in the first task without results, which the function does not solve.
                if rest := tasks[len(results) + 1 :]:
                    if programs[function] < MAX_PROGRAMS and verdict.error != WALL:
                        again[function] = rest
                    else:
                        found[function].unfinished = verdict.status
            waiting = again
        return dict(left)

    def program(self, function: RowFunction, tasks: Sequence[Probes], number: int) -> Program:
        """Return the program that calls a function on the inputs of one round.

        Args:
            function: function of a row.
            tasks: inputs of the tasks.
            number: index of the round.
        """
        fitting, groups = self._fitting(function)
        if number > 0 or tasks is not fitting:
            groups = _groups(tasks, number)
        code = json.dumps({"code": function.code, "function": function.name})
        return _answer_program(function.name, f"{code[:-1]}, {groups[1:]}", LIMITS)

    def _judge(self, pairs: Sequence[Pair], found: Mapping[RowFunction, Found]) -> set[Pair]:
        """Return the pairs whose function passes all tests of the task; note exceeded wall-clock limits."""
        passing = list(pairs)
        for part in self._scorer.parts:
            jobs = [
                Job(f"{function.name}:{task_id}:{number}", task, _solution(function, task), part)
                for number, (function, task_id) in enumerate(passing)
                for task in [self._tasks[task_id]]
            ]
            verdicts = judge(jobs, self._scorer, self._pools)
            judged = [(pair, verdict) for pair, (verdict, _) in zip(passing, verdicts, strict=True)]
            for (function, _), verdict in judged:
                if verdict["reason"] == WALL:
                    found[function].exceeded_wall_time = True
            passing = [pair for pair, verdict in judged if verdict["status"] == PASS]
        return set(passing)

    def _count_tests(self, pairs: Sequence[Pair], found: Mapping[RowFunction, Found]) -> Iterator[int]:
        """Yield the number of tests that the function of each pair passes; note exceeded wall-clock limits."""
        programs = (
            _counting_program(
                function.name,
                function.code,
                function.name,
                [given for given, _ in self._cases[task_id]],
                iterables=self._iterables(task_id),
            )
            for function, task_id in pairs
        )
        for (function, task_id), verdict in zip(pairs, self._run(programs, self._pools.answers), strict=True):
            if verdict.error == WALL:
                found[function].exceeded_wall_time = True
            comparison = self.probes[task_id].comparison
            results = _results(verdict) or []
            yield sum(
                may_be_right(result[0], expected, comparison)
                for result, (_, expected) in zip(results, self._cases[task_id], strict=False)
                if result
            )

    def _run(self, programs: Iterable[Program], pool: Pool) -> Iterator[Verdict]:
        for verdict in pool.run(programs):
            if verdict.status == "infrastructure":
                raise InfrastructureError(
                    f"{verdict.key}: the sandbox could not run this function: {verdict.stderr or verdict.error}"
                )
            yield verdict

    def _iterables(self, task_id: str) -> bool:
        return accepts_iterables(self._benchmark.definition.scoring, self._tasks[task_id])

    @cached_property
    def _cases(self) -> dict[str, list[Case]]:
        """Arguments and expected result of every test of every task."""
        if isinstance(self._scorer, EvalPlusScorer):
            return {task_id: self._scorer.cases(task) for task_id, task in self._tasks.items()}
        assert isinstance(self._scorer, CheckScorer)
        inputs = {
            task_id: list(_arguments(self._scorer.calls(task), str(task.entry_point)))
            for task_id, task in self._tasks.items()
        }
        programs = (
            _counting_program(
                task_id,
                self._benchmark.reference_solution(task),
                str(task.entry_point),
                inputs[task_id],
            )
            for task_id, task in self._tasks.items()
        )
        return {
            task_id: [
                (given, result[0])
                for given, result in zip(inputs[task_id], _results(verdict) or [], strict=False)
                if result
            ]
            for task_id, verdict in zip(self._tasks, self._run(programs, self._pools.judges), strict=True)
        }

    def _find_probes(self) -> dict[str, Probes]:
        """Return the inputs of the rounds, of the tasks that have any: those that the reference solution answers quickly."""
        short = {
            task_id: sorted(
                (case for case in cases if len(case[0]) <= MAX_INPUT and "unserialisable" not in case[1]),
                key=lambda case: len(case[0]),
            )[:CANDIDATES]
            for task_id, cases in self._cases.items()
        }
        programs = (
            _counting_program(
                task_id,
                self._benchmark.reference_solution(self._tasks[task_id]),
                str(self._tasks[task_id].entry_point),
                [given for given, _ in cases],
                iterables=self._iterables(task_id),
                limit=REFERENCE_LIMIT_S,
            )
            for task_id, cases in short.items()
        )
        found = {}
        runs = self._run(programs, self._pools.judges)
        for (task_id, cases), verdict in zip(short.items(), runs, strict=True):
            comparison = comparison_of(self._benchmark, self._tasks[task_id])
            quick = [
                case
                for case, result in zip(cases, _results(verdict) or [], strict=False)
                if result and may_be_right(result[0], case[1], comparison)
            ]
            if not quick or comparison == "any":
                continue
            found[task_id] = Probes(
                self._tasks[task_id],
                _rounds_of(quick),
                comparison,
                self._iterables(task_id),
                frozenset(len(values.loads(given)) for given, _ in quick),
            )
        return found

    def _known(self, cache: VerdictCache, function: RowFunction) -> Found | None:
        verdict = cache.get(self._key(function))
        return None if verdict is None else Found(**json.loads(verdict.stdout))

    def _verdict(self, function: RowFunction, found: Found) -> Verdict:
        """Return what is kept of a function in the verdict cache."""
        text = json.dumps({"tasks": found.tasks, "unfinished": found.unfinished})
        status = "passed" if any(task["solved"] for task in found.tasks) else "assertion"
        pool = self._pools.answers
        return Verdict(function.name, status, None, text, "", 0.0, 0.0, 0.0, pool.runtime, pool.image)

    def _key(self, function: RowFunction) -> str:
        """Return the key of a function in the verdict cache: the digest of everything that decides what is found."""
        return json_sha256([self._identity, function.code, function.name, function.fewest, function.most])

    @cached_property
    def _identity(self) -> str:
        settings: dict[str, Any] = {}
        if needs_ground_truth(self._benchmark) and self._truth is not None:
            settings = read_json(limits_path(self._truth))
            settings.pop("limits")
        package = Path(__file__).parent
        return json_sha256(
            [
                self._benchmark.sha256,
                definition_sha256(self._benchmark.name),
                settings,
                self._limits.of(self._benchmark.definition.scoring),
                version("evalplus"),
                self._pools.answers.runtime,
                self._pools.answers.image,
                guest_digest(),
                [file_sha256(path) for path in sorted(package.rglob("*.py"))],
            ]
        )


def _rounds_of(cases: Sequence[Case]) -> tuple[tuple[Case, ...], ...]:
    """Return the cases of each round: of different results first, of these the longest, which fewest functions return."""
    by_result: dict[str, list[Case]] = {}
    for case in cases:
        by_result.setdefault(case[1], []).append(case)
    ordered: list[Case] = []
    groups = sorted(by_result.values(), key=lambda group: -min(len(group[0][1]), 40))
    while groups:
        ordered += [group.pop(0) for group in groups]
        groups = [group for group in groups if group]
    rounds, start = [], 0
    for size in ROUNDS:
        rounds.append(tuple(ordered[start : start + size]))
        start += size
    return tuple(rounds)


def _arguments(calls: Iterable[str], entry_point: str) -> Iterator[str]:
    """Yield the arguments of the calls of the entry point without keyword arguments."""
    for call in calls:
        name, arguments, named = json.loads(call)
        if name == f"name:{entry_point}" and named == {"dict": [[], []]}:
            yield json.dumps(arguments)


def _groups(tasks: Sequence[Probes], number: int) -> str:
    """Return the part of a job about the inputs of one round."""
    return json.dumps(
        {
            "groups": [[given for given, _ in probes.rounds[number]] for probes in tasks],
            "iterables": [place for place, probes in enumerate(tasks) if probes.iterables],
            "limit": CALL_LIMIT_S,
        }
    )


def _answer_program(key: str, job: str, limits: Limits) -> Program:
    return Program(key, harness_source(answer_functions), stdin=job, limits=limits)


def _counting_program(key: str, code: str, function: str, inputs: Sequence[str], **options: Any) -> Program:
    """Return the program that calls a function on every input by itself.

    Args:
        key: name of the program.
        code: source text of the function.
        function: its name.
        inputs: arguments of each call.
        options: ``limit`` and ``iterables``, see ``answer_functions``; all groups or none return items.
    """
    job = {
        "code": code,
        "function": function,
        "groups": [[given] for given in inputs],
        "iterables": list(range(len(inputs))) if options.get("iterables") else [],
        "limit": options.get("limit", COUNTED_CALL_LIMIT_S),
    }
    return _answer_program(key, json.dumps(job), COUNTING_LIMITS)


def _results(verdict: Verdict) -> list[list[str]] | None:
    """Return the results of a function for each group of inputs; None if it could not be defined.

    The function can write what it likes; what is not a list of texts is no result.
    """
    first, *lines = verdict.stdout.split("\n")[:-1] or [""]
    if first != '{"value": "null"}':
        return None
    results = []
    for line in lines:
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            found = None
        is_right = isinstance(found, list) and all(isinstance(text, str) for text in found)
        results.append(found if is_right else [])
    return results


def _may_solve(probes: Probes, number: int, results: Sequence[str]) -> bool:
    cases = probes.rounds[number]
    return len(results) == len(cases) and all(
        may_be_right(result, expected, probes.comparison)
        for result, (_, expected) in zip(results, cases, strict=True)
    )


def _solution(function: RowFunction, task: Task) -> str:
    """Return a solution whose entry point is a function of a row, in a name space of its own."""
    return (
        f"_row = {{'__name__': 'row'}}\nexec({function.code!r}, _row)\n"
        f"{task.entry_point} = _row[{function.name!r}]\n"
    )
