"""Filters: keep a record or drop it with a reason, and count both.

A filter is any callable ``record -> Outcome``. :class:`StepWriter` writes what the steps of one pass keep and drop and
counts it; :func:`apply_filters` runs a chain of filters as one step. Every stage writes its counts as JSON
(:meth:`StepCounts.to_json`), from which the report makes the funnel.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from selfalign.core.jsonl import Record, dumps, open_writer


@dataclass(frozen=True, slots=True)
class Keep:
    """Keep the record.

    Attributes:
        record: the record that goes on, possibly rewritten by the step.
    """

    record: Record


@dataclass(frozen=True, slots=True)
class Drop:
    """Drop the record.

    Attributes:
        reason: short stable name (``no_return``); drops are counted by it.
        detail: JSON value that explains this drop (a matched text, a message); stored with the dropped record.
    """

    reason: str
    detail: Any = None


Outcome = Keep | Drop
Filter = Callable[[Record], Outcome]


@dataclass
class StepCounts:
    """Counts of one step of the funnel.

    Attributes:
        step: name of the step.
        records_in: records that reached it.
        records_out: records that it kept.
        dropped: records that it dropped, by reason.
        extra: further numbers of the step, by name.
    """

    step: str
    records_in: int = 0
    records_out: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    extra: dict[str, Any] = field(default_factory=dict)

    def add(self, outcome: Outcome) -> None:
        """Count one record.

        Args:
            outcome: what the step decided.
        """
        self.records_in += 1
        if isinstance(outcome, Drop):
            self.dropped[outcome.reason] += 1
        else:
            self.records_out += 1

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
    """Return the sum of the counts of a step's shards.

    Args:
        step: name of the step.
        parts: ``StepCounts.to_json()`` of each shard; numbers in ``extra`` are added up too.
    """
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
    """Return the row stored for a dropped record: its fields, ``reason`` and, if there is one, ``detail``.

    Args:
        record: the record as it reached the step.
        drop: why it was dropped.
    """
    row = {**record, "reason": drop.reason}
    if drop.detail is not None:
        row["detail"] = drop.detail
    return row


def run_filters(record: Record, filters: Iterable[Filter]) -> Outcome:
    """Return the outcome of a chain of filters; the first drop ends it.

    Args:
        record: the record to filter.
        filters: run in this order, each on the record as the one before left it.
    """
    outcome: Outcome = Keep(record)
    for each in filters:
        outcome = each(outcome.record)
        if isinstance(outcome, Drop):
            return outcome
    return outcome


class StepWriter:
    """Write and count the records that one step, or several in one pass, keep and drop. A context manager.

    The files appear when the block ends without an exception, and not at all otherwise.

    Args:
        steps: names of the steps in the funnel, in the order in which records reach them.
        out: JSON Lines file of the records that the last step keeps; None if the caller writes them.
        dropped: JSON Lines file of the records that any step drops, with ``reason`` and ``detail``; None writes none.
        verdicts: JSON Lines file of one more row for every record; None writes none.

    Attributes:
        steps: the counts of each step so far, in the same order.
    """

    def __init__(
        self,
        *steps: str,
        out: str | Path | None = None,
        dropped: str | Path | None = None,
        verdicts: str | Path | None = None,
    ) -> None:
        self.steps = [StepCounts(step) for step in steps]
        self._by_name = {counts.step: counts for counts in self.steps}
        self._paths = (out, dropped, verdicts)
        self._stack = contextlib.ExitStack()
        self._out: IO[str] | None = None
        self._dropped: IO[str] | None = None
        self._verdicts: IO[str] | None = None

    @property
    def counts(self) -> StepCounts:
        """The counts of the last step."""
        return self.steps[-1]

    def __enter__(self) -> StepWriter:
        self._out, self._dropped, self._verdicts = (
            None if path is None else self._stack.enter_context(open_writer(path)) for path in self._paths
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def put(
        self, record: Record, outcome: Outcome, *, step: str | None = None, verdict: Record | None = None
    ) -> None:
        """Count and write one record.

        Args:
            record: the record as it reached the step.
            outcome: what the step decided.
            step: name of the step; None for the last one.
            verdict: row for the file of verdicts.
        """
        counts = self.counts if step is None else self._by_name[step]
        counts.add(outcome)
        if verdict is not None:
            _write(self._verdicts, verdict)
        if isinstance(outcome, Drop):
            _write(self._dropped, dropped_row(record, outcome))
        elif counts is self.counts:
            _write(self._out, outcome.record)

    def put_several(self, records: Iterable[Record]) -> None:
        """Count one record that the last step replaced by several, and write these.

        Args:
            records: the new records.
        """
        self.counts.records_in += 1
        for record in records:
            self.counts.records_out += 1
            _write(self._out, record)

    def filtered(self, step: str, outcomes: Iterable[tuple[Record, Outcome]]) -> Iterator[Record]:
        """Put every record with its outcome; yield those that are kept, for the next step.

        Args:
            step: name of the step.
            outcomes: each record as it reached the step, and what the step decided.
        """
        for record, outcome in outcomes:
            self.put(record, outcome, step=step)
            if isinstance(outcome, Keep):
                yield outcome.record


def _write(handle: IO[str] | None, row: Record) -> None:
    if handle is not None:
        handle.write(dumps(row) + "\n")


def apply_filters(
    step: str,
    records: Iterable[Record],
    filters: Iterable[Filter],
    out: str | Path,
    dropped: str | Path | None = None,
) -> StepCounts:
    """Run a chain of filters as one step, in constant memory; return its counts.

    Args:
        step: name of the step in the funnel.
        records: the records to filter.
        filters: run in this order.
        out: JSON Lines file of the kept records.
        dropped: JSON Lines file of the dropped records, with their reasons; None writes none.
    """
    chain = list(filters)
    with StepWriter(step, out=out, dropped=dropped) as writer:
        for record in records:
            writer.put(record, run_filters(record, chain))
    return writer.counts
