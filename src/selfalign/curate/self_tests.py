"""Tasks of the benchmark self_tests: held-out instructions, each with the tests of one of its responses.

Every response to a held-out instruction that passed its own tests offers these tests. They count if they depend on the
solution (they fail if every function returns None), if the instruction gives the names that they use, and if an
independent response to the same instruction agrees with them: one with a different implementation that passes them, or
one with the same implementation that passed different tests. Of several that count, those that agree with most of the
responses that passed their own tests are kept, and of these those with most assertions.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from re import escape, search

from selfalign.benchmarks.self_tests import LIMITS, self_test_program
from selfalign.core.errors import InfrastructureError
from selfalign.core.filtering import Drop, Keep, Outcome, StepCounts, StepWriter, run_filters
from selfalign.core.instructions import normalized_instruction
from selfalign.core.jsonl import Record
from selfalign.core.lineage import row_id, with_lineage
from selfalign.curate.code import (
    implementation_key,
    parse_response_code,
    self_contained_tests,
    tested_names,
)
from selfalign.curate.mutation import judge_tests
from selfalign.curate.quality import (
    count_assertions,
    drop_deep_nesting,
    require_asserting_tests,
    require_complete_code,
)
from selfalign.curate.rows import File, log_counts, read_rows
from selfalign.program_environments import ProgramEnvironment
from selfalign.sandbox import Program, open_pool
from selfalign.sandbox.cache import VerdictCache


@dataclass
class Candidate:
    """A response whose tests may become a task.

    Attributes:
        row: row of the response.
        id: id of the row.
        key: key of its implementation in :attr:`Group.implementations`.
        tests: source of its tests.
        outcome: the task to keep, or why the tests do not count; the row itself until that is known.
        passing: keys of the implementations that pass the tests.
    """

    row: Record
    id: str
    key: str
    tests: str
    outcome: Outcome
    passing: set[str] = field(default_factory=set)

    @property
    def counts(self) -> bool:
        """Whether nothing is known against the tests."""
        return isinstance(self.outcome, Keep)


@dataclass
class Group:
    """The responses to one held-out instruction.

    Attributes:
        cluster: id of the instruction's cluster.
        candidates: the responses that passed their own tests, in the order of the rows.
        implementations: source of each implementation, as the first response has it, by the implementation without
            layout, comments and docstrings (:func:`implementation_key`).
        rows: ids of the responses with each implementation, by the same keys.
    """

    cluster: str
    candidates: list[Candidate] = field(default_factory=list)
    implementations: dict[str, str] = field(default_factory=dict)
    rows: dict[str, list[str]] = field(default_factory=dict)

    def siblings_passing(self, candidate: Candidate, distinct: bool) -> list[str]:
        """Return the ids of the other responses that agree with the tests of a candidate.

        Args:
            candidate: response whose tests were run.
            distinct: only independent ones: one response of each different implementation that passes the tests, and
                the responses with the same implementation that passed different tests that count, one of each.
        """
        if not distinct:
            passing = (each for key, ids in self.rows.items() if key in candidate.passing for each in ids)
            return [each for each in passing if each != candidate.id]
        others = [ids[0] for key, ids in self.rows.items() if key in candidate.passing - {candidate.key}]
        same: dict[str, str] = {}
        for each in self.candidates:
            if each.counts and each.key == candidate.key and each.tests != candidate.tests:
                same.setdefault(each.tests, each.id)
        return [*others, *same.values()]


def self_tests_file(
    held_out: File,
    passing: Iterable[File],
    failed: Iterable[File],
    out: File,
    dropped: File | None = None,
    *,
    distinct_siblings: bool = True,
    runtime: str = "auto",
    image: str = "",
    environment: ProgramEnvironment | None = None,
    workers: int | None = None,
    cache: str | Path | None = None,
) -> StepCounts:
    """Write the tasks of the benchmark, at most one for each held-out instruction.

    Holds the responses to the held-out instructions in memory.

    Args:
        held_out: JSON Lines file of the rows that :func:`~selfalign.curate.hold_out.hold_out_file` holds out.
        passing: JSON Lines files of the responses that passed their own tests.
        failed: JSON Lines files of the responses that did not.
        out: JSON Lines file of tasks: ``task_id``, ``instruction``, ``solution``, ``tests`` and ``lineage``, whose key
            ``self_tests`` has the row, its cluster, the number of different implementations and the ids of the
            responses that pass the tests.
        dropped: JSON Lines file of the passing responses whose tests are not used, with reasons; None writes none.
        distinct_siblings: require a sibling with a different implementation; see
            :class:`~selfalign.core.config.curation.SelfTestsConfig`.
        runtime: sandbox runtime; see :func:`selfalign.sandbox.open_pool`.
        image: container image, for container engines; see :func:`selfalign.sandbox.open_pool`.
        environment: what programs can import; None: ``build``.
        workers: programs that run at a time; None for the number of cores.
        cache: file of known verdicts, which is added to; None keeps none.

    Raises:
        DataError: a row lacks instruction or response.
        InfrastructureError: the sandbox failed for a program even after a retry; nothing is written.
    """
    groups = {
        normalized_instruction(row["instruction"]): Group(row["detail"]["cluster"])
        for row in read_rows([held_out])
    }
    candidates: list[Candidate] = []
    for row in read_rows(passing):
        if group := groups.get(normalized_instruction(row["instruction"])):
            candidates.append(_add_candidate(group, row))
    for row in read_rows(failed):
        if group := groups.get(normalized_instruction(row["instruction"])):
            _add_implementation(group, row)
    counting = [each for each in candidates if each.counts]
    judged = judge_tests(
        (each.row for each in counting),
        runtime=runtime,
        image=image,
        environment=environment,
        workers=workers,
        limits=LIMITS,
        cache=cache,
    )
    for candidate, (_, outcome) in zip(counting, judged, strict=True):
        candidate.outcome = outcome
    _run_implementations(
        groups.values(), runtime=runtime, image=image, environment=environment, workers=workers, cache=cache
    )
    for group in groups.values():
        _keep_best(group, distinct_siblings)
    with StepWriter("tasks", out=out, dropped=dropped) as writer:
        for candidate in candidates:
            writer.put(candidate.row, candidate.outcome)
    writer.counts.extra = {"instructions": len(groups)}
    return log_counts(writer.counts)


def _add_candidate(group: Group, row: Record) -> Candidate:
    """Add a response that passed its own tests to its group."""
    name, key = _add_implementation(group, row)
    checks = (require_complete_code, require_asserting_tests, require_given_names)
    outcome = run_filters(row, checks) if key else Drop("no_implementation")
    candidate = Candidate(row, name, key or "", parse_response_code(row["response"]).tests, outcome)
    group.candidates.append(candidate)
    return candidate


def _add_implementation(group: Group, row: Record) -> tuple[str, str | None]:
    """Add the implementation of a response to its group; return the row's id and the key of the implementation."""
    name = row_id(row) or f"{group.cluster[:12]}.{sum(map(len, group.rows.values()))}"
    key = implementation_key(row["response"])
    if key is not None:
        group.implementations.setdefault(key, parse_response_code(row["response"]).implementation)
        group.rows.setdefault(key, []).append(name)
    return name, key


@drop_deep_nesting
def require_given_names(record: Record) -> Outcome:
    """Drop a response whose tests use names of its implementation that its instruction does not give.

    The names are those of functions, classes, methods and global variables. Tests that use none of them do not depend
    on the solution and are dropped too (``no_name_used``).

    Args:
        record: a row whose response has sections.
    """
    used = tested_names(parse_response_code(record["response"]))
    if used is None:
        return Drop("incomplete_code", "does not parse")
    if not used:
        return Drop("no_name_used")
    missing = sorted(
        name for name in used if not search(rf"(?<!\w){escape(name)}(?!\w)", record["instruction"])
    )
    return Drop("name_not_given", missing) if missing else Keep(record)


def _run_implementations(
    groups: Collection[Group],
    *,
    runtime: str,
    image: str,
    environment: ProgramEnvironment | None,
    workers: int | None,
    cache: str | Path | None,
) -> None:
    """Run every different implementation with all tests that count of its group; record who passes them."""
    runs = [
        (candidate, key, source)
        for group in groups
        for candidate in group.candidates
        if candidate.counts
        for key, source in group.implementations.items()
    ]

    def programs() -> Iterator[Program]:
        for number, (candidate, _, source) in enumerate(runs):
            tests = self_contained_tests(candidate.row["response"])
            yield self_test_program(f"tests of {candidate.id}, run {number}", source, tests)

    with ExitStack() as stack:
        pool = stack.enter_context(
            open_pool(runtime, workers=workers, limits=LIMITS, image=image, environment=environment)
        )
        known = stack.enter_context(VerdictCache(cache)) if cache else None
        verdicts = known.run(pool, programs(), LIMITS) if known else pool.run(programs())
        for (candidate, key, _), verdict in zip(runs, verdicts, strict=True):
            if verdict.status == "infrastructure":
                raise InfrastructureError(f"{verdict.key}: the sandbox failed twice: {verdict.stderr}")
            if verdict.status == "passed":
                candidate.passing.add(key)


def _keep_best(group: Group, distinct: bool) -> None:
    """Decide which tests of a group become the task.

    A sibling that failed its own tests counts less: that it passes others may only mean that these are lenient.
    """
    passed_by = {each.id: group.siblings_passing(each, distinct) for each in group.candidates}
    passed_own = {each.id for each in group.candidates}
    for candidate in group.candidates:
        if candidate.counts and candidate.key not in candidate.passing:
            candidate.outcome = Drop("own_solution_fails")
        elif candidate.counts and not passed_by[candidate.id]:
            candidate.outcome = Drop("no_sibling_passes")

    def agreement(candidate: Candidate) -> tuple[int, int]:
        return len(passed_own.intersection(passed_by[candidate.id])), count_assertions(candidate.tests)

    left = [each for each in group.candidates if each.counts]
    best = max(left, key=agreement, default=None)
    for candidate in left:
        if candidate is best:
            candidate.outcome = Keep(_task(group, candidate, passed_by[candidate.id]))
        elif best is not None:
            candidate.outcome = Drop("other_tests", {"used": best.id})


def _task(group: Group, candidate: Candidate, passed_by: list[str]) -> Record:
    row = candidate.row
    task = {
        "task_id": f"self_tests/{candidate.id}",
        "instruction": row["instruction"],
        "solution": parse_response_code(row["response"]).implementation,
        "tests": self_contained_tests(row["response"]),
        **({"lineage": row["lineage"]} if "lineage" in row else {}),
    }
    return with_lineage(
        task,
        "self_tests",
        row=candidate.id,
        cluster=group.cluster,
        implementations=len(group.implementations),
        passed_by=passed_by,
    )
