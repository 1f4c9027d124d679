"""The learning curve: scores of models that were trained on parts of the data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from selfalign.core.config.learning_curve import CurvePoint
from selfalign.core.instructions import normalized_instruction
from selfalign.core.jsonl import read_json, read_jsonl, write_json
from selfalign.evaluate.score import first_value, solved
from selfalign.evaluate.statistics import mcnemar


def write_learning_curve(
    points: Mapping[CurvePoint, str | Path],
    rows: Sequence[str | Path],
    out: str | Path,
    *,
    layout: str,
    base: str | Path | None,
) -> None:
    """Write the scores of the models of a learning curve, compared with the base model.

    Args:
        points: directory with ``score.json`` and ``verdicts.jsonl`` of each model.
        rows: JSON Lines file of the training rows of each model, in the same order.
        out: JSON file to write: ``benchmark``, ``layout``, ``n`` (tasks), ``base`` (rate, or null) and ``points`` with
            ``responses``, ``instructions`` and ``rows`` (numbers that were trained on), ``learning_rate``, ``value``
            (rate), ``interval`` and ``mcnemar`` (against the base model, or null).
        layout: prompt layout of the samples.
        base: directory with the score of the base model in this layout; None if it has none.
    """
    before = solved(base, ("base",)) if base else None
    scores = [read_json(Path(directory) / "score.json") for directory in points.values()]
    write_json(
        out,
        {
            "benchmark": scores[0]["title"],
            "layout": layout,
            "n": scores[0]["n"],
            "base": first_value(read_json(Path(base) / "score.json")) if base else None,
            "points": [
                {
                    "responses": point.responses,
                    **_numbers(file),
                    "learning_rate": point.learning_rate,
                    "value": first_value(score),
                    "interval": next(iter(score["metrics"].values()))["interval"],
                    "mcnemar": _against(before, solved(directory, ("base",))) if before else None,
                }
                for (point, directory), file, score in zip(points.items(), rows, scores, strict=True)
            ],
        },
    )


def _numbers(rows: str | Path) -> dict[str, int]:
    instructions = [normalized_instruction(row["instruction"]) for row in read_jsonl(rows)]
    return {"instructions": len(set(instructions)), "rows": len(instructions)}


def _against(before: dict[str, bool], after: dict[str, bool]) -> dict[str, object]:
    return mcnemar([before[task] for task in before], [after[task] for task in before])
