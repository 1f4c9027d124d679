"""Compare published verdicts with ours, task by task; list every difference and explain the known ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from selfalign.core.errors import DataError
from selfalign.core.hashing import file_sha256
from selfalign.core.jsonl import Record, read_json
from selfalign.evaluate.score import PASS


@dataclass(frozen=True)
class PublishedVerdicts:
    """Published verdicts on a model's samples.

    Attributes:
        path: EvalPlus' results file.
        statuses: base and plus status of each sample, by task.
        sha256: SHA-256 of the file.
    """

    path: str | Path
    statuses: Mapping[str, Sequence[Mapping[str, str | None]]]
    sha256: str


def read_published_verdicts(path: str | Path, tasks: Collection[str], title: str) -> PublishedVerdicts:
    """Return the verdicts in an EvalPlus results file.

    Args:
        path: the results file (``*_eval_results.json``).
        tasks: ids of the tasks that it must cover exactly.
        title: name of the benchmark in messages.

    Raises:
        DataError: the file has another format or covers other tasks.
    """
    value = read_json(path)
    entries = value.get("eval") if isinstance(value, dict) else None
    if not isinstance(entries, dict):
        raise DataError("expected EvalPlus' results: an object with 'eval'", file=path, field="eval")
    try:
        found = {
            task_id: [{part: each[f"{part}_status"] for part in ("base", "plus")} for each in samples]
            for task_id, samples in entries.items()
        }
    except (TypeError, KeyError, AttributeError):
        raise DataError(
            "expected a list of objects with 'base_status' and 'plus_status' for each task",
            file=path,
            field="eval",
        ) from None
    unmatched = sorted(set(found) ^ set(tasks))
    if unmatched:
        raise DataError(
            f"expected verdicts on the tasks of {title}: {len(unmatched)} task(s) differ, such as {unmatched[0]}",
            file=path,
        )
    return PublishedVerdicts(path, found, file_sha256(path))


def compare_verdicts(verdicts: Sequence[Record], published: PublishedVerdicts) -> dict[str, Any]:
    """Compare our verdicts with published ones, part by part, as pass or fail.

    Args:
        verdicts: our verdicts, see :func:`~selfalign.evaluate.scoring.write_verdicts`.
        published: published verdicts on the same number of samples.

    Returns:
        an object with the number of ``tasks``, those ``agreeing``, the list ``differing`` and the number of samples
        that pass according to the published verdicts, ``published_correct``.

    Raises:
        DataError: the published verdicts are on another number of samples.
    """
    counts = Counter(verdict["task_id"] for verdict in verdicts)
    for task_id, count in counts.items():
        if count != len(published.statuses[task_id]):
            raise DataError(
                f"expected verdicts on {count} sample(s) of task '{task_id}', found "
                f"{len(published.statuses[task_id])}",
                file=published.path,
            )
    known = known_differences(published)
    differing = []
    for verdict in verdicts:
        task_id, number = verdict["task_id"], verdict["sample"]
        theirs = published.statuses[task_id][number]
        for part in ("base", "plus"):
            if part not in verdict or theirs[part] is None:
                continue
            if (theirs[part] == PASS) != (verdict[part]["status"] == PASS):
                differing.append(
                    {
                        "task_id": task_id,
                        "sample": number,
                        "part": part,
                        "published": theirs[part],
                        "ours": verdict[part]["status"],
                        "reason": verdict[part]["reason"],
                        "failing_input": verdict[part]["failing_input"],
                        "explanation": known.get(f"{task_id}:{part}"),
                    }
                )
    tasks = {verdict["task_id"] for verdict in verdicts}
    return {
        "tasks": len(tasks),
        "agreeing": len(tasks - {difference["task_id"] for difference in differing}),
        "differing": differing,
        "published_correct": {
            "base": _correct(published, "base"),
            "plus": _correct(published, "base", "plus"),
        },
    }


def known_differences(published: PublishedVerdicts) -> dict[str, str]:
    """Return explanations of known differences from a file of published verdicts, by ``task:part``.

    Args:
        published: the published verdicts; their SHA-256 selects the explanations.
    """
    text = (files("selfalign.evaluate") / "known_differences.yaml").read_text(encoding="utf-8")
    found = yaml.safe_load(text).get(published.sha256, {})
    return {key: " ".join(value.split()) for key, value in found.items()}


def _correct(published: PublishedVerdicts, *parts: str) -> int:
    return sum(
        all(sample[part] == PASS for part in parts)
        for samples in published.statuses.values()
        for sample in samples
    )
