"""Test samples in the sandbox and compute their score."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from selfalign.benchmarks import Benchmark, Task
from selfalign.core.config.evaluation import EvaluationConfig, ScoringLimits
from selfalign.core.errors import DataError, InfrastructureError
from selfalign.core.jsonl import Record, write_json, write_jsonl
from selfalign.evaluate.ground_truth import update_ground_truth
from selfalign.evaluate.harness import (
    MAX_LIMITS,
    answer_calls,
    answer_contest,
    answer_functions,
    judge_check,
    judge_contest,
    judge_evalplus,
    read_reason,
    script,
    warm_up,
)
from selfalign.evaluate.published_verdicts import compare_verdicts, read_published_verdicts
from selfalign.evaluate.references import (
    ReferenceFailure,
    read_references,
    references_header,
    write_references,
)
from selfalign.evaluate.samples import Sample, check_syntax, read_samples
from selfalign.evaluate.score import FAIL, PASS, TIMEOUT, build_score
from selfalign.evaluate.scorers import Scorer, build_scorer, needs_ground_truth
from selfalign.program_environments import ProgramEnvironment
from selfalign.sandbox import Pool, Program, Verdict, open_pool

logger = logging.getLogger(__name__)

# Stands in for the first task of a benchmark without reference solutions.
_ECHO_TASK = Task(
    id="echo",
    prompt="",
    canonical_solution="",
    record={"cases": [{"input": "1\n", "output": "1\n", "testtype": "stdin"}]},
)
_WRONG_SOLUTION = "raise RuntimeError('a wrong answer')\n"


@dataclass(frozen=True)
class ScoringPools:
    """Two sets of sandboxes, so that no answer ever runs where results are judged.

    Attributes:
        answers: sandbox of the solutions.
        judges: sandbox of the tests and of the reference solutions.
    """

    answers: Pool
    judges: Pool

    @property
    def runtime(self) -> str:
        """Name of the runtime that isolates the answers."""
        return self.answers.runtime


@contextmanager
def open_scoring_pools(
    runtime: str = "auto",
    workers: int | None = None,
    environment: ProgramEnvironment | None = None,
    limits: ScoringLimits | None = None,
    image: str = "",
) -> Iterator[ScoringPools]:
    """Open sandboxes with the limits and preloaded harnesses of all benchmarks; close them after the block.

    Where the runtime is a sandbox on another host, whose slots run the programs of anybody, judges run on this host: they
    are code of the benchmark, whose checksum is known, and read results that cannot execute anything.

    Args:
        runtime: name of the sandbox runtime, or address of a sandbox on another host.
        workers: number of programs run at a time; None: one per core.
        environment: what programs can import; None: ``build``.
        limits: limits of the answers; None: the defaults.
        image: container image, for container engines; see :func:`selfalign.sandbox.open_pool`.
    """
    limits = limits or ScoringLimits()
    memory_mb = max(MAX_LIMITS.memory_mb, limits.memory_mb, limits.ds1000_memory_mb)
    answering = warm_up(answer_calls, answer_contest, answer_functions, script)
    judging = warm_up(judge_evalplus, judge_check, judge_contest)
    local = "none" if "://" in runtime else runtime
    most = replace(MAX_LIMITS, memory_mb=memory_mb)
    start = partial(open_pool, workers=workers, most=most, image=image, environment=environment)
    with ExitStack() as stack, ThreadPoolExecutor(2) as threads:
        # Both at once: a sandbox takes a second to import its modules.
        opening = [
            threads.submit(stack.enter_context, start(name, warm=warm))
            for name, warm in ((runtime, answering), (local, judging))
        ]
        yield ScoringPools(*[pool.result() for pool in opening])


@dataclass(frozen=True)
class ScoreFiles:
    """Files that scoring writes.

    Attributes:
        verdicts: JSON Lines, see :func:`write_verdicts`.
        timings: JSON Lines, see :func:`write_verdicts`.
        score: JSON, see :func:`~selfalign.evaluate.score.build_score`.
        comparison: JSON, see :func:`~selfalign.evaluate.published_verdicts.compare_verdicts`; null without published
            verdicts; None: not written.
    """

    verdicts: str | Path
    timings: str | Path
    score: str | Path
    comparison: str | Path | None = None

    def remove(self) -> None:
        """Remove the files of an earlier call, so that they are not taken for the result of a call that fails."""
        for path in (self.verdicts, self.timings, self.score, self.comparison):
            if path is not None:
                Path(path).unlink(missing_ok=True)


def score_samples(
    samples: str | Path,
    benchmark: Benchmark,
    out: ScoreFiles,
    *,
    ground_truth: str | Path | None = None,
    time_limits: EvaluationConfig | None = None,
    references: str | Path | None = None,
    max_reference_failures: int = 0,
    published: str | Path | None = None,
    exact_floats: bool = False,
    limits: ScoringLimits | None = None,
    pass_at: Sequence[int] = (1,),
    layout: str | None = None,
    runtime: str = "auto",
    workers: int | None = None,
    environment: ProgramEnvironment | None = None,
    image: str = "",
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Score a file of samples; write verdicts, timings, score and comparison.

    Samples that do not compile are counted in the score and reported in a warning.

    Args:
        samples: JSON Lines, see :func:`~selfalign.evaluate.samples.read_samples`.
        benchmark: the benchmark that the samples belong to.
        out: files to write.
        ground_truth: file written by :mod:`~selfalign.evaluate.ground_truth`, for benchmarks that need one.
        time_limits: compute the ground truth (with these limits) and the results of the reference solutions if they are
            missing or outdated; None: never.
        references: file written by :func:`run_references`; None: only one reference solution of each package is run.
        max_reference_failures: number of reference solutions that may fail.
        published: published verdicts on the same samples, in EvalPlus' layout.
        exact_floats: require floating-point outputs to be bit-identical.
        limits: limits of the answers, recorded in the score as far as they affect it; None: the defaults.
        pass_at: values of k of pass@k.
        layout: prompt layout of the samples, recorded in the score; None: not known.
        runtime: name of the sandbox runtime.
        workers: number of programs run at a time; None: one per core.
        environment: what programs can import; None: ``build``.
        image: container image, for container engines; see :func:`selfalign.sandbox.open_pool`.

    Returns:
        the score and the comparison (None without published verdicts).

    Raises:
        DataError: samples, data or published verdicts are incomplete, or too many reference solutions fail; no score is
            written.
        InfrastructureError: the sandbox failed; no score is written.
    """
    out.remove()
    limits = limits or ScoringLimits()
    read = read_samples(samples, benchmark)
    syntax = check_syntax(read) if benchmark.definition.scores_programs else None
    if syntax is not None and (warning := syntax.warning()):
        logger.warning("%s: %s", samples, warning)
    known = read_published_verdicts(published, benchmark.by_id(), benchmark.title) if published else None
    checked: dict[str, int] | None = None
    failing: set[str] = set()
    with open_scoring_pools(runtime, workers, environment, limits, image) as pools:
        if time_limits is not None and needs_ground_truth(benchmark) and ground_truth is not None:
            update_ground_truth(benchmark, pools.judges, ground_truth, time_limits)
        scorer = build_scorer(benchmark, ground_truth, exact_floats=exact_floats, limits=limits)
        if references is not None:
            tolerant = build_scorer(benchmark, ground_truth, limits=limits)
            checked, failing = check_references(
                benchmark,
                tolerant,
                pools,
                references,
                max_reference_failures,
                compute=time_limits is not None,
            )
        verdicts = write_verdicts(
            benchmark, read, scorer, pools, out=out.verdicts, timings=out.timings, failing=failing
        )
    comparison = compare_verdicts(verdicts, known) if known is not None else None
    score = build_score(benchmark, verdicts, pass_at, syntax, layout, references=checked, limits=limits)
    if out.comparison is not None:
        write_json(out.comparison, comparison)
    write_json(out.score, score)
    return score, comparison


def write_verdicts(
    benchmark: Benchmark,
    samples: Sequence[Sample],
    scorer: Scorer,
    pools: ScoringPools,
    *,
    out: str | Path,
    timings: str | Path,
    failing: Collection[str] = (),
) -> list[Record]:
    """Test samples and write one verdict per line, in the order of the samples.

    A verdict has ``task_id``, ``sample``, ``passed`` and, for each part of the benchmark (base, plus), an object with
    ``status`` (pass, fail, timeout), ``reason`` and ``failing_input`` (index of the first). A sample passes if all
    parts pass.

    Args:
        benchmark: a loaded benchmark.
        samples: samples of the benchmark.
        scorer: scorer of the benchmark.
        pools: sandboxes of the answers and of the judges.
        out: JSON Lines file of verdicts; deterministic.
        timings: JSON Lines file of the same verdicts with ``cpu_s`` (CPU time in seconds) in every part; measured, so
            it differs from run to run.
        failing: ids of the tasks whose reference solutions are known to fail.

    Returns:
        the verdicts.

    Raises:
        InfrastructureError: the sandbox cannot run a program, or fails the check of :func:`check_harness`; nothing is
            written.
    """
    check_harness(benchmark, scorer, pools, failing)
    scored = list(score(samples, scorer, pools))
    verdicts = [verdict for verdict, _ in scored]
    write_jsonl(out, verdicts)
    write_jsonl(timings, (timed for _, timed in scored))
    return verdicts


def score(samples: Sequence[Sample], scorer: Scorer, pools: ScoringPools) -> Iterator[tuple[Record, Record]]:
    """Yield the verdict of each sample in order, without and with times; see :func:`write_verdicts`.

    Args:
        samples: samples of the benchmark.
        scorer: scorer of the benchmark.
        pools: sandboxes of the answers and of the judges.

    Raises:
        InfrastructureError: the sandbox cannot run a program.
    """
    jobs = [
        Job(f"{sample.task.id}#{sample.number}:{part}", sample.task, sample.solution, part)
        for sample in samples
        for part in scorer.parts
    ]
    judged = iter(judge(jobs, scorer, pools))
    for sample in samples:
        found = {part: next(judged) for part in scorer.parts}
        parts = {part: verdict for part, (verdict, _) in found.items()}
        passed = all(each["status"] == PASS for each in parts.values())
        identity = {"task_id": sample.task.id, "sample": sample.number}
        timed = {part: {**verdict, "cpu_s": round(spent, 3)} for part, (verdict, spent) in found.items()}
        yield {**identity, "passed": passed, **parts}, {**identity, "passed": passed, **timed}


@dataclass(frozen=True)
class Job:
    """One part of the verdict on one solution.

    Attributes:
        key: name of its programs.
        task: task of the benchmark.
        solution: source text of the solution.
        part: part of the verdict.
    """

    key: str
    task: Task
    solution: str
    part: str


def judge(jobs: Sequence[Job], scorer: Scorer, pools: ScoringPools) -> list[tuple[dict[str, Any], float]]:
    """Return, for each job, ``status``, ``reason`` and ``failing_input``, and the CPU time of the solution in seconds.

    Args:
        jobs: what to judge.
        scorer: scorer of the benchmark.
        pools: sandboxes of the answers and of the judges.

    Raises:
        InfrastructureError: the sandbox cannot run a program.
    """
    scorer.prepare([job.task for job in jobs], pools.judges)
    found: dict[int, tuple[dict[str, Any], float]] = {}
    # Longest first, so that no core starts a long program at the end.
    order = sorted(range(len(jobs)), key=lambda number: -scorer.cost(jobs[number].task, jobs[number].part))
    # Functions that make programs, because programs are large.
    waiting = {number: partial(_program, scorer, jobs[number]) for number in order}
    while waiting:
        programs, waiting = waiting, {}
        # Number of the job, and CPU time of the answer, of every judge program.
        sent: deque[tuple[int, float]] = deque()

        def decide(number: int, judged: Verdict, cpu_s: float, waiting=waiting) -> None:
            job = jobs[number]
            again = scorer.again(job.key, job.task, job.solution, job.part, judged)
            if again is None:
                found[number] = _part_verdict(judged), cpu_s
            else:
                waiting[number] = partial(_same, again)

        judges = _judges(programs, jobs, scorer, pools.answers, sent=sent, decide=decide)
        for verdict in pools.judges.run(judges):
            number, cpu_s = sent.popleft()
            _check_sandbox(verdict, jobs[number])
            decide(number, verdict, cpu_s)
    return [found[number] for number in range(len(jobs))]


def _program(scorer: Scorer, job: Job) -> Program:
    return scorer.program(job.key, job.task, job.solution, job.part)


def _same(program: Program) -> Program:
    return program


def _judges(
    programs: Mapping[int, Callable[[], Program]],
    jobs: Sequence[Job],
    scorer: Scorer,
    answers: Pool,
    *,
    sent: deque[tuple[int, float]],
    decide: Callable[[int, Verdict, float], None],
) -> Iterator[Program]:
    """Run answer programs; yield their judge programs.

    Args:
        programs: functions that make the programs, by number of the job.
        jobs: all jobs.
        scorer: scorer of the benchmark.
        answers: sandbox of the answers.
        sent: gets number and CPU time of the answer for each program yielded.
        decide: called with number, verdict and CPU time of the answer where no judge program is needed.
    """
    verdicts = answers.run(make() for make in programs.values())
    for number, verdict in zip(programs, verdicts, strict=True):
        job = jobs[number]
        _check_sandbox(verdict, job)
        judged = scorer.judge(job.key, job.task, job.part, verdict)
        if isinstance(judged, Verdict):
            decide(number, judged, verdict.cpu_s)
        else:
            sent.append((number, verdict.cpu_s))
            yield judged


def _check_sandbox(verdict: Verdict, job: Job) -> None:
    if verdict.status == "infrastructure":
        raise InfrastructureError(
            f"{job.key}: the sandbox could not run this program, so no score is written: "
            f"{verdict.stderr or verdict.error}"
        )


def run_references(benchmark: Benchmark, scorer: Scorer, pools: ScoringPools, out: str | Path) -> None:
    """Run all reference solutions with their tests; write the results, see :mod:`~selfalign.evaluate.references`.

    Args:
        benchmark: a loaded benchmark, with all its tasks.
        scorer: scorer of the benchmark.
        pools: sandboxes of the answers and of the judges.
        out: JSON file to write.

    Raises:
        InfrastructureError: the sandbox cannot run a program.
    """
    tasks = [task for task in benchmark.tasks if task.canonical_solution]
    jobs = [
        Job(f"{task.id}: reference solution:{part}", task, benchmark.reference_solution(task), part)
        for task in tasks
        for part in scorer.parts
    ]
    failures: dict[str, ReferenceFailure] = {}
    for job, (verdict, _) in zip(jobs, judge(jobs, scorer, pools), strict=True):
        if verdict["status"] != PASS:
            failure = ReferenceFailure(
                job.task.id, job.task.package, job.part, verdict["status"], verdict["reason"]
            )
            failures.setdefault(job.task.id, failure)
    for failure in failures.values():
        logger.warning("%s: the reference solution of %s", benchmark.title, failure)
    header = references_header(benchmark, pools.answers.environment, scorer.limits)
    write_references(out, header, pools.answers.image, [task.id for task in tasks], [*failures.values()])


def check_references(
    benchmark: Benchmark,
    scorer: Scorer,
    pools: ScoringPools,
    references: str | Path,
    allowed: int,
    *,
    compute: bool,
) -> tuple[dict[str, int], set[str]]:
    """Return the numbers of reference solutions and of those that fail, and the ids of the tasks of the latter.

    Args:
        benchmark: a loaded benchmark.
        scorer: scorer of the benchmark, which does not require bit-identical outputs.
        pools: sandboxes of the answers and of the judges.
        references: file written by :func:`run_references`.
        allowed: number of reference solutions that may fail.
        compute: write the file if it is missing or outdated.

    Raises:
        DataError: the file is missing or outdated, or more than `allowed` reference solutions fail.
        InfrastructureError: the sandbox cannot run a program.
    """
    header = references_header(benchmark, pools.answers.environment, scorer.limits)
    if compute and not _is_current(references, header):
        run_references(benchmark, scorer, pools, references)
    results = read_references(references, header)
    return results.check(benchmark, allowed, references), {failure.task_id for failure in results.failures}


def _is_current(references: str | Path, header: dict[str, Any]) -> bool:
    """Return whether a file of reference solutions' results exists and has a header."""
    try:
        read_references(references, header)
    except DataError:
        return False
    return True


def check_harness(
    benchmark: Benchmark, scorer: Scorer, pools: ScoringPools, failing: Collection[str] = ()
) -> None:
    """Check that the harness passes correct solutions and fails wrong ones before it scores any sample.

    The first task of each package that the benchmark covers is tested, so that a package missing from the sandbox
    does not count against the model.

    Args:
        benchmark: a loaded benchmark.
        scorer: scorer of the benchmark.
        pools: sandboxes of the answers and of the judges.
        failing: ids of the tasks whose reference solutions are known to fail, which are not tested.

    Raises:
        InfrastructureError: a correct solution fails or a wrong one passes.
    """
    tasks: dict[str, Task] = {}
    for task in benchmark.tasks:
        if task.id in failing:
            continue
        tasks.setdefault(task.package, task if task.canonical_solution else _ECHO_TASK)
    part = scorer.parts[0]
    known = [
        Job(f"{task.id}: {kind} solution", task, solution, part)
        for task in tasks.values()
        for kind, solution in (
            ("correct", _correct_solution(benchmark, task)),
            ("wrong", _WRONG_SOLUTION),
        )
    ]
    for job, (verdict, _) in zip(known, judge(known, scorer, pools), strict=True):
        passed = verdict["status"] == PASS
        if job.solution == _WRONG_SOLUTION and passed:
            raise InfrastructureError(
                f"the sandbox ({pools.runtime}) passes a wrong solution of {job.task.id}"
            )
        if job.solution != _WRONG_SOLUTION and not passed:
            raise InfrastructureError(
                f"the sandbox ({pools.runtime}) fails the reference solution of {job.task.id}, so its verdicts cannot be "
                f"trusted: {verdict['status']} ({verdict['reason']})"
            )


def _correct_solution(benchmark: Benchmark, task: Task) -> str:
    return "print(input())\n" if task is _ECHO_TASK else benchmark.reference_solution(task)


def _part_verdict(verdict: Verdict) -> dict[str, Any]:
    """Return ``status`` (pass, fail, timeout), ``reason`` and ``failing_input`` of a sandbox verdict.

    A wrong output of a LiveCodeBench solution is added as ``output``, shortened.
    """
    if verdict.status == "passed":
        return {"status": PASS, "reason": None, "failing_input": None}
    found = read_reason(verdict.stderr)
    reason = found.get("reason") or verdict.error or verdict.status
    timed_out = verdict.status == "timeout" or reason == "TimeoutError"
    return {
        "status": TIMEOUT if timed_out else FAIL,
        "reason": reason,
        "failing_input": found.get("input"),
        **({"output": found["output"]} if "output" in found else {}),
    }
