"""The scores of a training's checkpoints, by step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from selfalign.core.errors import DataError
from selfalign.core.jsonl import Record, read_json, read_jsonl, write_jsonl


def list_checkpoints(intermediate: str | Path, metrics: str | Path, out: str | Path) -> None:
    """Write the checkpoints of a training in the order of their steps.

    Args:
        intermediate: directory of the checkpoints before the last one, ``step-N`` after N finished steps.
        metrics: JSON Lines file with ``step`` and ``epoch`` of every step of the training.
        out: JSON Lines file to write: ``step`` and ``epoch`` (finished steps and epochs), and ``last``.

    Raises:
        DataError: a checkpoint is of a step that the training does not have.
    """
    epochs = {row["step"]: row["epoch"] for row in read_jsonl(metrics)}
    end = max(epochs)
    steps = sorted(int(path.name.removeprefix("step-")) for path in Path(intermediate).glob("step-*"))
    for step in steps:
        if not (step in epochs and step < end):
            raise DataError(
                f"expected checkpoints of steps before the last one ({end}), found step {step}",
                file=intermediate,
            )
    write_jsonl(out, ({"step": step, "epoch": epochs[step], "last": step == end} for step in [*steps, end]))


def write_checkpoint_scores(
    steps: str | Path, scores: Sequence[str | Path], out: str | Path, *, scored: Sequence[tuple[str, str]]
) -> None:
    """Write the scores of all checkpoints, a row for each checkpoint, prompt layout, benchmark and metric.

    Args:
        steps: list of the checkpoints, see :func:`list_checkpoints`.
        scores: ``score.json`` of every checkpoint, layout and benchmark, in this order.
        out: JSON Lines file to write: ``step``, ``epoch``, ``layout``, ``benchmark`` (key), ``title``, ``metric``, ``n``
            (tasks), ``passed`` (tasks; null with several samples per task), ``value`` (rate) and ``interval`` (95 %).
        scored: layout and benchmark of the scores of a checkpoint.
    """
    files = iter(scores)

    def rows() -> Iterator[Record]:
        for checkpoint in read_jsonl(steps):
            for layout, benchmark in scored:
                score = read_json(next(files))
                for metric, found in score["metrics"].items():
                    yield {
                        "step": checkpoint["step"],
                        "epoch": checkpoint["epoch"],
                        "layout": layout,
                        "benchmark": benchmark,
                        "title": score["title"],
                        "metric": metric,
                        "n": score["n"],
                        "passed": found.get("correct"),
                        "value": found["value"],
                        "interval": found["interval"],
                    }

    write_jsonl(out, rows())
