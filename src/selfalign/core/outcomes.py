"""The contract of a filter: keep a record, or drop it with a reason; nothing leaves uncounted.

A filter is any callable ``record -> Outcome``. :func:`apply_filters` runs a chain of them, writes the
kept and the dropped records to two files and returns the counts of the step, which every stage
writes as JSON (:meth:`StepCounts.to_json`) and the report joins to the funnel.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from selfalign.core.jsonl import Record, dumps, open_writer


@dataclass(frozen=True, slots=True)
class Keep:
    """The record goes on, as `record` (which a step may have rewritten)."""

    record: Record


@dataclass(frozen=True, slots=True)
class Drop:
    """The record stops here.

    Attributes:
        reason: a short stable name (``no_return``); counts are kept under it.
        detail: whatever explains this one case (a matched text, a message); kept beside the record.
    """

    reason: str
    detail: Any = None


Outcome = Keep | Drop
Filter = Callable[[Record], Outcome]


@dataclass
class StepCounts:
    """Counts of one step of the funnel."""

    step: str
    records_in: int = 0
    records_out: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    extra: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the counts as a JSON object, reasons in alphabetical order."""
        return {
            "step": self.step,
            "in": self.records_in,
            "out": self.records_out,
            "dropped": dict(sorted(self.dropped.items())),
            **({"extra": self.extra} if self.extra else {}),
        }


def merge_counts(step: str, parts: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Add up the ``to_json()`` objects of a step's shards (``extra`` numbers are added too)."""
    total = StepCounts(step)
    extra: Counter[str] = Counter()
    for part in parts:
        total.records_in += part["in"]
        total.records_out += part["out"]
        total.dropped.update(part["dropped"])
        extra.update({k: v for k, v in part.get("extra", {}).items() if isinstance(v, int | float)})
    total.extra = dict(sorted(extra.items()))
    return total.to_json()


def dropped_row(record: Record, drop: Drop) -> Record:
    """Return the row kept beside the output for a dropped record: its fields, ``reason`` and ``detail``."""
    row = {**record, "reason": drop.reason}
    if drop.detail is not None:
        row["detail"] = drop.detail
    return row


def run_filters(record: Record, filters: Iterable[Filter]) -> Outcome:
    """Run `filters` in order; the first drop ends the chain."""
    outcome: Outcome = Keep(record)
    for each in filters:
        outcome = each(outcome.record)
        if isinstance(outcome, Drop):
            return outcome
    return outcome


class StepWriter:
    """The two files of a step and its counts, for records that come one by one. A context manager.

    Args:
        step: name of the step in the funnel.
        out: JSON Lines of the kept records.
        dropped: JSON Lines of the dropped ones, each with its ``reason``; None writes none.

    Attributes:
        counts: of the records put so far.
    """

    def __init__(self, step: str, out: str | Path, dropped: str | Path | None = None) -> None:
        self.counts = StepCounts(step)
        self._paths = (out, dropped)
        self._files = contextlib.ExitStack()
        self._kept: IO[str] | None = None
        self._dropped: IO[str] | None = None

    def __enter__(self) -> StepWriter:
        out, dropped = self._paths
        self._kept = self._files.enter_context(open_writer(out))
        self._dropped = self._files.enter_context(open_writer(dropped)) if dropped is not None else None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._files.__exit__(kind, error, trace)

    def put(self, record: Record, outcome: Outcome) -> None:
        """Count what became of `record`, and write it."""
        self.counts.records_in += 1
        if isinstance(outcome, Keep):
            self.counts.records_out += 1
            if self._kept is not None:
                self._kept.write(dumps(outcome.record) + "\n")
            return
        self.counts.dropped[outcome.reason] += 1
        if self._dropped is not None:
            self._dropped.write(dumps(dropped_row(record, outcome)) + "\n")


def apply_filters(
    step: str,
    records: Iterable[Record],
    filters: Iterable[Filter],
    out: str | Path,
    dropped: str | Path | None = None,
) -> StepCounts:
    """Stream `records` through `filters` in constant memory; write the kept and the dropped ones.

    Args:
        step: name of the step in the funnel.
        out: JSON Lines of the kept records.
        dropped: JSON Lines of the dropped ones, each with its ``reason``; None writes none.
    """
    chain = list(filters)
    with StepWriter(step, out, dropped) as writer:
        for record in records:
            writer.put(record, run_filters(record, chain))
    return writer.counts
