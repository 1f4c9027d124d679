"""Deduplication over all units at once: exact duplicates by text, near-duplicates by MinHash; the first one stays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from selfalign.core.config.seeds import NearDuplicatesConfig
from selfalign.core.filtering import Drop, Filter, Keep, Outcome, StepCounts, StepWriter
from selfalign.core.jsonl import Record, write_jsonl
from selfalign.dedup import NearDuplicates
from selfalign.seeds.functions import text_sha1
from selfalign.seeds.pool import read_seeds


def deduplicate_units(
    units: Sequence[str | Path],
    out: Sequence[str | Path],
    dropped: str | Path | None,
    settings: NearDuplicatesConfig,
) -> list[StepCounts]:
    """Drop duplicates among the rows of all units; return the counts of the steps.

    The first of several duplicates stays, so units that are added at the end change nothing in earlier ones.

    Args:
        units: JSON Lines files of seeds, in the order of the units.
        out: JSON Lines file of the kept rows of each unit.
        dropped: JSON Lines file of the dropped rows of all units, with the SHA-1 of the row that stays as detail; None
            writes none.
        settings: settings of the near-duplicate filter.

    Raises:
        DataError: a row has no string ``seed``.
    """
    filters = {"duplicates": exact_filter()}
    if settings.enabled:
        filters["near_duplicates"] = near_filter(settings)
    with StepWriter(*filters, dropped=dropped) as writer:
        for source, target in zip(units, out, strict=True):
            records = read_seeds(source)
            for step, is_new in filters.items():
                records = writer.filtered(step, map(_with_outcome(is_new), records))
            write_jsonl(target, records)
    return writer.steps


def exact_filter() -> Filter:
    """Return the filter that drops a row whose text is that of an earlier row."""
    seen: dict[str, str] = {}

    def is_new(row: Record) -> Outcome:
        key = text_sha1(row["seed"])
        if key in seen:
            return Drop("duplicate", seen[key])
        seen[key] = _sha1(row)
        return Keep(row)

    return is_new


def near_filter(settings: NearDuplicatesConfig) -> Filter:
    """Return the filter that drops a row whose text is similar to that of an earlier row that was kept.

    Args:
        settings: threshold and signature.
    """
    index = NearDuplicates(settings, operators=settings.operators)
    kept: list[str] = []

    def is_new(row: Record) -> Outcome:
        duplicate_of = index.add(row["seed"])
        if duplicate_of is not None:
            return Drop("near_duplicate", kept[duplicate_of])
        kept.append(_sha1(row))
        return Keep(row)

    return is_new


def _sha1(row: Record) -> str:
    return row.get("sha1", text_sha1(row["seed"]))


def _with_outcome(is_new: Filter) -> Callable[[Record], tuple[Record, Outcome]]:
    return lambda row: (row, is_new(row))
