"""All scores of a run in one object, and base against tuned model where both were scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from selfalign.core.errors import DataError
from selfalign.core.jsonl import read_json, read_jsonl, write_json
from selfalign.evaluate.score import metric_parts
from selfalign.evaluate.statistics import mcnemar
from selfalign.evaluate.verdicts import PASS


def write_summary(scores: Mapping[tuple[str, str], str | Path], out: str | Path) -> None:
    """Write the summary.

    A comparison has the difference of the two scores and the exact McNemar test of the first answers to each task.

    Args:
        scores: the directory with ``score.json`` and ``verdicts.jsonl`` of each (model, benchmark).

    Raises:
        DataError: a file is missing, or two models were scored on different data.
    """
    found = {key: read_json(Path(directory) / "score.json") for key, directory in scores.items()}
    rows = [{"model": model, **score, "benchmark": key} for (model, key), score in found.items()]
    keys = list(dict.fromkeys(key for _, key in scores))
    comparisons = [
        _compare(key, scores["base", key], scores["tuned", key], found["base", key], found["tuned", key])
        for key in keys
        if ("base", key) in scores and ("tuned", key) in scores
    ]
    write_json(out, {"scores": rows, "comparisons": comparisons})


def _compare(
    key: str,
    base: str | Path,
    tuned: str | Path,
    base_score: Mapping[str, Any],
    tuned_score: Mapping[str, Any],
) -> dict[str, Any]:
    if base_score["dataset"] != tuned_score["dataset"]:
        raise DataError(f"{key}: base and tuned model were scored on different data", file=Path(tuned))
    metrics: dict[str, Any] = {}
    for prefix, parts in metric_parts("base pass@1" in base_score["metrics"]).items():
        name = f"{prefix}pass@1"
        first, second = solved(base, parts), solved(tuned, parts)
        metrics[name] = {
            "difference": tuned_score["metrics"][name]["value"] - base_score["metrics"][name]["value"],
            "mcnemar": mcnemar([first[task] for task in first], [second[task] for task in first]),
        }
    return {
        "benchmark": key,
        "title": base_score["title"],
        "first": "base",
        "second": "tuned",
        "metrics": metrics,
    }


def solved(directory: str | Path, parts: Sequence[str]) -> dict[str, bool]:
    """Return whether the first sample of each task passes all `parts`."""
    return {
        verdict["task_id"]: all(verdict[part]["status"] == PASS for part in parts)
        for verdict in read_jsonl(Path(directory) / "verdicts.jsonl")
        if verdict["sample"] == 0
    }
