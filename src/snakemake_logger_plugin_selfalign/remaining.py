"""Estimated remaining time of a build, from the durations of jobs of the same rule in this run or an earlier one."""

from __future__ import annotations

import csv
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Remaining:
    """Number and durations of jobs by rule.

    Attributes:
        pending: number of jobs that have not ended, by rule.
        earlier: directory of Snakemake's benchmark files of earlier runs: ``<rule>.tsv``, or several in ``<rule>/``.
        clock: returns the current time, in seconds.
    """

    pending: Counter[str] = field(default_factory=Counter)
    earlier: Path | None = None
    clock: Callable[[], float] = time.monotonic
    _started: dict[int, tuple[str, float]] = field(default_factory=dict)
    _took: dict[str, list[float]] = field(default_factory=dict)
    _known: dict[str, float | None] = field(default_factory=dict)

    def start(self, job: int, rule: str) -> None:
        """Record the start of a job.

        Args:
            job: id of the job.
            rule: name of its rule.
        """
        self._started[job] = (rule, self.clock())

    def end(self, job: int) -> tuple[str, float] | None:
        """Record the end of a job; return its rule and duration in seconds, or None if its start was not recorded.

        Args:
            job: id of the job.
        """
        if job not in self._started:
            return None
        rule, since = self._started.pop(job)
        took = self.clock() - since
        self._took.setdefault(rule, []).append(took)
        self.pending[rule] -= 1
        return rule, took

    def seconds(self) -> float | None:
        """Return the remaining seconds with as many parallel jobs as now; None if no durations are known."""
        known = {rule: self._expected(rule) for rule, left in self.pending.items() if left > 0}
        found = [value for value in known.values() if value is not None]
        took = [value for values in self._took.values() for value in values]
        if not found and not took:
            return None
        usual = sum(took) / len(took) if took else sum(found) / len(found)
        expected = {rule: usual if value is None else value for rule, value in known.items()}
        total = sum(self.pending[rule] * value for rule, value in expected.items())
        now = self.clock()
        for rule, since in self._started.values():
            total -= min(expected.get(rule, 0.0), now - since)
        return max(total, 0.0) / max(1, len(self._started))

    def _expected(self, rule: str) -> float | None:
        took = self._took.get(rule)
        if took:
            return sum(took) / len(took)
        if self.earlier is None:
            return None
        if rule not in self._known:
            self._known[rule] = _mean_seconds(self.earlier, rule)
        return self._known[rule]


def _mean_seconds(directory: Path, rule: str) -> float | None:
    files = [directory / f"{rule}.tsv", *(directory / rule).glob("**/*.tsv")]
    seconds = [value for path in files if path.is_file() for value in _seconds_in(path)]
    return sum(seconds) / len(seconds) if seconds else None


def benchmark_root(path: str | Path) -> Path | None:
    """Return the parent directory ``benchmarks`` of a benchmark file, or None.

    Args:
        path: path of the benchmark file.
    """
    return next((parent for parent in Path(path).parents if parent.name == "benchmarks"), None)


def _seconds_in(path: Path) -> list[float]:
    values = []
    with path.open(encoding="utf-8", newline="") as handle:
        for row in csv.DictReader(handle, delimiter="\t"):
            try:
                values.append(float(row["s"]))
            except (KeyError, TypeError, ValueError):
                continue
    return values
