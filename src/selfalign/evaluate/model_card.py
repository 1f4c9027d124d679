"""The model card of the tuned checkpoint with its scores, which are not known when the checkpoint is written."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from selfalign.core.errors import DataError
from selfalign.core.jsonl import atomic_path, read_json

SECTION = re.compile(r"^## Scores\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
HEAD = "| model | layout | benchmark | data | tasks | metric | value | 95 % interval |\n|---|---|---|---|---|---|---|---|"


def write_scored_card(card: str | Path, summary: str | Path, out: str | Path) -> None:
    """Write the checkpoint's model card with the scores of the run filled in.

    Args:
        card: ``README.md`` of the tuned checkpoint.
        summary: ``scores/summary.json`` of the run.
        out: Markdown file to write.

    Raises:
        DataError: the card has no section "Scores".
    """
    text, found = SECTION.subn(
        lambda _: f"## Scores\n\n{scores_table(read_json(summary))}\n\n",
        Path(card).read_text(encoding="utf-8"),
        count=1,
    )
    if not found:
        raise DataError("expected a section '## Scores'", file=card)
    with atomic_path(out) as temporary:
        temporary.write_text(text, encoding="utf-8")


def scores_table(summary: dict[str, Any]) -> str:
    """Return scores and comparisons as Markdown.

    Args:
        summary: content of ``scores/summary.json``.
    """
    rows = [
        f"| {score['model']} | {score['layout']} | {title} | {score['dataset']['version']} | {scored['n']} | {name} "
        f"| {metric['value']:.1%} | {_interval(metric)} |"
        for score in summary["scores"]
        for title, scored in _subsets(score)
        for name, metric in scored["metrics"].items()
    ]
    tests = [
        f"\n{each['title']}, {name}, layout {each['layout']}: the {each['second']} model differs by "
        f"{100 * metric['difference']:+.1f} points from the {each['first']} model "
        f"(exact McNemar test on the first sample of each task, p = {metric['mcnemar']['p_value']:.2g})."
        for each in summary["comparisons"]
        for name, metric in each["metrics"].items()
    ]
    return "\n".join([HEAD, *rows, *tests])


def _subsets(score: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return the score on all tasks and, where it is known, on those that no training row solves, with titles."""
    clean = score.get("clean")
    only = [(f"{score['title']}, tasks that no training row solves", clean)] if clean else []
    return [(score["title"], score), *only]


def _interval(metric: dict[str, Any]) -> str:
    low, high = metric["interval"]
    return f"{low:.1%} to {high:.1%}"
