"""The funnel: rows read, kept and dropped by every step, with reasons."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from selfalign.core.errors import DataError
from selfalign.core.filtering import merge_counts
from selfalign.core.jsonl import read_json, write_json

PUBLISHED = {
    "source": "the model card and repository of StarCoder2-15B-Instruct-v0.1 (2024-04)",
    "rows": [
        {"stage": "functions with a docstring", "rows": 5_359_051, "about": False},
        {"stage": "seeds after filtering", "rows": 248_934, "about": False},
        {"stage": "instructions", "rows": 238_000, "about": True},
        {"stage": "responses (10 each, temperature 0.7)", "rows": 2_400_000, "about": True},
        {"stage": "passing execution", "rows": 500_000, "about": True},
        {"stage": "final", "rows": 50_661, "about": False},
    ],
}


def build_funnel(counts: Iterable[str | Path]) -> list[dict[str, Any]]:
    """Return the steps of the funnel in the order of `counts`, summed over shards.

    Args:
        counts: files ``<run>/<stage>/counts/*.json``, each a ``StepCounts.to_json()`` or a list of them.

    Raises:
        DataError: a file does not hold the counts of a step.
    """
    steps: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for path in map(Path, counts):
        content = read_json(path)
        for part in content if isinstance(content, list) else [content]:
            if not isinstance(part, dict) or not {"step", "in", "out", "dropped"} <= part.keys():
                raise DataError("expected the counts of a step (step, in, out, dropped)", file=path)
            steps.setdefault((_stage_of(path), part["step"]), []).append(part)
    return [{"stage": stage, **merge_counts(step, parts)} for (stage, step), parts in steps.items()]


def write_funnel(run: str, counts: Iterable[str | Path], out: str | Path) -> None:
    """Write the funnel of a run and the published one as JSON.

    Args:
        run: name of the run.
        counts: see :func:`build_funnel`.
        out: JSON file to write.

    Raises:
        DataError: a file does not hold the counts of a step.
    """
    write_json(out, {"run": run, "steps": build_funnel(counts), "published": PUBLISHED})


def _stage_of(path: Path) -> str:
    parts = path.parts
    return parts[parts.index("counts") - 1] if "counts" in parts[1:] else path.parent.name
