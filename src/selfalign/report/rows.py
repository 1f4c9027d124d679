"""Rows for the page: some that were kept, some that each step dropped for each reason, with all that led to them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from selfalign.core.jsonl import Record, read_jsonl
from selfalign.report.files import rows_of, stage_of

KEPT = "kept"
# Text of a field beyond this is cut in the page (the files have it whole).
LONGEST_TEXT = 6000
FIELDS = ("seed", "concepts", "instruction", "response")


def example_rows(
    dataset: Path | None, dropped: tuple[Path, ...], *, kept: int, per_reason: int
) -> list[dict[str, Any]]:
    """Return rows for the page, kept ones first, then dropped ones in the order of the build.

    Args:
        kept: rows of the data set at most.
        per_reason: rows at most that one step dropped for one reason.
    """
    shown = []
    if dataset is not None:
        for row in read_jsonl(dataset):
            if len(shown) == kept:
                break
            shown.append(_shown(row, KEPT, ""))
    seen: Counter[tuple[str, str]] = Counter()
    for path, row in rows_of(dropped):
        step, reason = stage_of(path), str(row.get("reason", ""))
        seen[step, reason] += 1
        if seen[step, reason] <= per_reason:
            shown.append(_shown(row, step, reason))
    return shown


def _shown(row: Record, where: str, reason: str) -> dict[str, Any]:
    """Return what the page says of a row: where it ended and why, its texts, its lineage."""
    lineage = row.get("lineage", {})
    origin = lineage.get("seed", {})
    return {
        "index": row.get("index"),
        "where": where,
        "reason": reason,
        "detail": row.get("detail"),
        "package": origin.get("package") or origin.get("repository") or origin.get("dataset") or "",
        "texts": {name: _text(row[name]) for name in FIELDS if name in row},
        "lineage": lineage,
    }


def _text(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + " … (cut here; whole in the file)"
