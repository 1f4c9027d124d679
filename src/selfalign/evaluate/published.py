"""Somebody else's verdicts beside ours, task by task; every difference is listed, known ones are explained."""

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
from selfalign.evaluate.verdicts import PASS


@dataclass(frozen=True)
class Published:
    """Published verdicts.

    Attributes:
        path: the file they are in.
        statuses: by task, base and plus status of each sample.
        sha256: of that file.
    """

    path: str | Path
    statuses: Mapping[str, Sequence[Mapping[str, str | None]]]
    sha256: str


def read_published(path: str | Path, tasks: Collection[str], title: str) -> Published:
    """Return the verdicts in EvalPlus' results file, which must be on `tasks`, those of the benchmark called `title`.

    Raises:
        DataError: it is something else, or of other tasks.
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
    strangers = sorted(set(found) ^ set(tasks))
    if strangers:
        raise DataError(
            f"expected verdicts on the tasks of {title}: {len(strangers)} differ, such as {strangers[0]}",
            file=path,
        )
    return Published(path, found, file_sha256(path))


def compare(verdicts: Sequence[Record], published: Published) -> dict[str, Any]:
    """Compare our verdicts with published ones, part by part, as pass or not.

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


def known_differences(published: Published) -> dict[str, str]:
    """Return what explains differences from just these published verdicts, by ``task:part``, as data with the project."""
    text = (files("selfalign.evaluate") / "known_differences.yaml").read_text(encoding="utf-8")
    found = yaml.safe_load(text).get(published.sha256, {})
    return {key: " ".join(value.split()) for key, value in found.items()}


def _correct(published: Published, *parts: str) -> int:
    return sum(
        all(sample[part] == PASS for part in parts)
        for samples in published.statuses.values()
        for sample in samples
    )
