"""Results of the reference solutions of a benchmark, run with its own tests in the environment of the samples.

A reference solution that fails shows that the environment differs from the one for which the benchmark was made, for
instance in the version of a package. Samples of this task then fail for the same reason. The results are computed once
for each version of the data and environment, by :func:`selfalign.evaluate.scoring.run_references`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import platformdirs

from selfalign.benchmarks import Benchmark
from selfalign.core.config.evaluation import ScoringLimits
from selfalign.core.errors import DataError
from selfalign.core.hashing import text_sha256
from selfalign.core.jsonl import read_json, write_json

# Version of the file's format.
FORMAT = 1
# Failures named in a message.
MAX_NAMED = 5


@dataclass(frozen=True)
class ReferenceFailure:
    """A reference solution that fails its own tests.

    Attributes:
        task_id: id of the task.
        package: Python package that the task is about; empty if the benchmark names none.
        part: part of the verdict that fails first, ``base`` or ``plus``.
        status: ``fail`` or ``timeout``.
        reason: error of the tests.
    """

    task_id: str
    package: str
    part: str
    status: str
    reason: str | None

    def __str__(self) -> str:
        package = f" ({self.package})" if self.package else ""
        return f"{self.task_id}{package}: {self.status}, {self.reason}"


@dataclass(frozen=True)
class References:
    """Results of the reference solutions.

    Attributes:
        tasks: ids of the tasks whose reference solutions were run.
        failures: those that fail.
    """

    tasks: Collection[str]
    failures: Sequence[ReferenceFailure]

    def check(self, benchmark: Benchmark, allowed: int, file: str | Path) -> dict[str, int]:
        """Return the number of reference solutions and of those that fail, among the tasks of a benchmark.

        Args:
            benchmark: the benchmark, which may be limited to a window.
            allowed: maximum number of failures.
            file: file of the results, for the message.

        Raises:
            DataError: a reference solution was not run, or more than `allowed` fail.
        """
        scored = {task.id for task in benchmark.tasks if task.canonical_solution}
        if missing := sorted(scored - set(self.tasks)):
            raise DataError(
                f"expected the reference solution of every task; {missing[0]} is missing", file=file
            )
        failures = [each for each in self.failures if each.task_id in scored]
        if len(failures) > allowed:
            named = "; ".join(map(str, failures[:MAX_NAMED]))
            more = f"; and {len(failures) - MAX_NAMED} more" if len(failures) > MAX_NAMED else ""
            raise DataError(
                f"{benchmark.title}: {len(failures)} of {len(scored)} reference solutions fail in this environment, so a score "
                f"would be too low: {named}{more}. Correct the environment, or allow them "
                f"(evaluation.max_reference_failures, now {allowed})",
                file=file,
            )
        return {"tasks": len(scored), "failed": len(failures)}


def references_header(
    benchmark: Benchmark, environment: str, limits: ScoringLimits | None = None
) -> dict[str, Any]:
    """Return what the results depend on: the data, the packages and the limits.

    Args:
        benchmark: a loaded benchmark.
        environment: identity of the environment
            (:attr:`~selfalign.program_environments.ProgramEnvironment.identity`).
        limits: limits of the solutions; None: the defaults.
    """
    limits = limits or ScoringLimits()
    return {
        "format": FORMAT,
        "benchmark": benchmark.name,
        "version": benchmark.version,
        "sha256": benchmark.sha256,
        "environment": environment,
        "limits": limits.of(benchmark.definition.scoring),
    }


def write_references(
    path: str | Path,
    header: dict[str, Any],
    image: str,
    tasks: Sequence[str],
    failures: Sequence[ReferenceFailure],
) -> None:
    """Write a file of results.

    Args:
        path: JSON file.
        header: see :func:`references_header`.
        image: digest of what the programs saw as their system.
        tasks: ids of the tasks.
        failures: reference solutions that fail.
    """
    write_json(
        path, {**header, "image": image, "tasks": tasks, "failures": [asdict(each) for each in failures]}
    )


def read_references(path: str | Path, header: dict[str, Any]) -> References:
    """Read a file of results.

    Args:
        path: JSON file.
        header: expected header, see :func:`references_header`.

    Raises:
        DataError: the file is missing, or belongs to other data or another environment.
    """
    content = read_json(path)
    for name, expected in header.items():
        if content.get(name) != expected:
            raise DataError(
                f"expected the reference solutions' results for {name} {expected}, found {content.get(name)}; remove the "
                "file to compute them again",
                file=path,
            )
    return References(content["tasks"], [ReferenceFailure(**each) for each in content["failures"]])


def default_references_path(benchmark: Benchmark, environment: str) -> Path:
    """Return the path of the results in the user's cache directory, the default of commands.

    Args:
        benchmark: a loaded benchmark.
        environment: identity of the environment.
    """
    name = (
        f"{benchmark.name}-{benchmark.version}-{benchmark.sha256[:12]}-{text_sha256(environment)[:12]}.json"
    )
    return platformdirs.user_cache_path("selfalign") / "references" / name
