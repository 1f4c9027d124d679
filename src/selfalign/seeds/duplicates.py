"""Duplicates among all units at once: exact ones by their text, near ones by MinHash; the first in order stays."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from selfalign.core.config.seeds import NearDuplicatesConfig
from selfalign.core.jsonl import Record, dumps, open_writer
from selfalign.core.outcomes import Drop, StepCounts, dropped_row
from selfalign.dedup.minhash import NearDuplicates
from selfalign.seeds.functions import text_sha1
from selfalign.seeds.pool import read_seeds


class Duplicates:
    """The rows kept so far, and the counts of both steps."""

    def __init__(self, settings: NearDuplicatesConfig) -> None:
        self.exact = StepCounts("duplicates")
        self.near = StepCounts("near_duplicates")
        self._near = NearDuplicates(settings) if settings.enabled else None
        self._seen: dict[str, str] = {}
        self._kept: list[str] = []

    @property
    def steps(self) -> list[StepCounts]:
        """The counts of the steps that ran."""
        return [self.exact, self.near] if self._near is not None else [self.exact]

    def judge(self, row: Record) -> Drop | None:
        """Return the drop of a row that an earlier one makes superfluous; its detail is the earlier one's SHA-1."""
        self.exact.records_in += 1
        key = text_sha1(row["seed"])
        name = row.get("sha1", key)
        if key in self._seen:
            self.exact.dropped["duplicate"] += 1
            return Drop("duplicate", self._seen[key])
        self._seen[key] = name
        self.exact.records_out += 1
        if self._near is None:
            return None
        self.near.records_in += 1
        twin = self._near.add(row["seed"])
        if twin is not None:
            self.near.dropped["near_duplicate"] += 1
            return Drop("near_duplicate", self._kept[twin])
        self._kept.append(name)
        self.near.records_out += 1
        return None


def deduplicate_units(
    units: Sequence[str | Path],
    out: Sequence[str | Path],
    dropped: str | Path | None,
    settings: NearDuplicatesConfig,
) -> list[StepCounts]:
    """Drop the duplicates among the rows of all units, in the units' order; one output a unit.

    The first of several stays, so units that are added at the end change nothing in earlier ones.
    """
    duplicates = Duplicates(settings)
    with ExitStack() as files:
        dropped_handle = files.enter_context(open_writer(dropped)) if dropped is not None else None
        for source, target in zip(units, out, strict=True):
            with open_writer(target) as handle:
                for row in read_seeds(source):
                    drop = duplicates.judge(row)
                    if drop is None:
                        handle.write(dumps(row) + "\n")
                    elif dropped_handle is not None:
                        dropped_handle.write(dumps(dropped_row(row, drop)) + "\n")
    return duplicates.steps
