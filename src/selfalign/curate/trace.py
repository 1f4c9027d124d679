"""Trace one row: its seed, the requests, the verdict of the sandbox, and the transformations."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfalign.core.errors import DataError
from selfalign.core.jsonl import Record, read_numbered
from selfalign.core.lineage import row_id

# Files of a run that are searched: the data set, then the rows that a step dropped.
FINAL = ("dataset/train.jsonl", "dataset/test.jsonl")
DROPPED = ("dataset/dropped/*.jsonl", "execution/dropped/*.jsonl")


@dataclass(frozen=True, slots=True)
class Found:
    """A row and its location.

    Attributes:
        record: the row.
        file: file of the row.
        number: line number in the file, from 1.
    """

    record: Record
    file: Path
    number: int


def find_row(where: str | Path, wanted: str) -> Found:
    """Find a row in a run's directory or in a file of rows.

    Args:
        where: results directory of a run, or a JSON Lines file of rows.
        wanted: number of the row from 1; or its id ``INDEX.SAMPLE`` (index of the seed, number of the sample), which
            also finds rows that a step dropped.

    Raises:
        DataError: the row does not exist, or there are no rows to search.
    """
    where = Path(where)
    by_number = wanted.isdigit()
    if not by_number and not all(part.isdigit() for part in wanted.split(".", 1)):
        raise DataError(
            f"expected a row's number from 1 or its id (such as 17.3), found '{wanted}'", file=where
        )
    files = list(_files(where, final_only=by_number))
    if not files:
        raise DataError("expected a file of rows, or the directory of a run with a data set", file=where)
    for file in files[:1] if by_number else files:
        for number, record in read_numbered(file):
            if wanted in ((str(number),) if by_number else (row_id(record),)):
                return Found(record, file, number)
    raise DataError(f"expected row {wanted}, found none", file=files[0] if by_number else where)


def describe_row(found: Found) -> Iterator[tuple[str, str]]:
    """Yield the sections of a row's history in order, each a heading and a text.

    Args:
        found: the row, by :func:`find_row`.
    """
    record = found.record
    lineage: dict[str, Any] = record.get("lineage", {})
    name = row_id(record)
    yield "row", f"{f'{name}, ' if name else ''}line {found.number} of {found.file}"
    if not lineage:
        yield "lineage", "none: the row does not come from the pipeline, or its lineage was removed"
    yield "import", _facts(lineage.get("import", {}))
    seed = lineage.get("seed", {})
    yield (
        "seed",
        "\n".join(
            part for part in (_facts(seed), f"SHA-1 {record['sha1']}" if "sha1" in record else "") if part
        ),
    )
    yield "", _text(record.get("seed"))
    yield from (
        (stage, _facts(lineage[stage])) for stage in ("imports", "types", "judge") if stage in lineage
    )
    yield "concepts", _text(record.get("concepts"))
    yield "", _request(lineage.get("concepts", {}))
    yield "instruction", _request(lineage.get("instruction", {}))
    yield "response", _request(lineage.get("response", {}))
    if "sample" in lineage:
        yield "sample", f"number {lineage['sample'].get('number')} (from 0) of the request"
    yield "sandbox", _facts(lineage.get("execution", {}))
    if "consensus" in lineage:
        yield "consensus", _facts(lineage["consensus"])
    yield "transformations", "\n".join(lineage.get("transformations", []))
    if "reason" in record:
        step = f"{found.file.parent.parent.name}, {found.file.stem}"
        yield (
            "dropped",
            f"in {step}: {record['reason']}" + (f" {record['detail']}" if "detail" in record else ""),
        )
    yield "final instruction", _text(record.get("instruction"))
    yield "final response", _text(record.get("response"))


def _files(where: Path, *, final_only: bool) -> Iterator[Path]:
    if where.is_file():
        yield where
        return
    patterns = FINAL if final_only else (*FINAL, *DROPPED)
    for pattern in patterns:
        yield from sorted(where.glob(pattern))
    if not final_only or not (where / "dataset").is_dir():
        yield from sorted(
            path for path in where.glob("t*.jsonl") if path.name in ("train.jsonl", "test.jsonl")
        )


def _request(facts: dict[str, Any]) -> str:
    if not facts:
        return ""
    text = (
        f"model {facts.get('model')}\nprompt template {facts.get('recipe')}, few-shots {facts.get('few_shots')}, "
        f"request seed {facts.get('request_seed')}, temperature {facts.get('temperature')}"
    )
    rest = {k: v for k, v in facts.items() if k in ("drawn", "prompt_sha256", "completion_key")}
    return f"{text}\n{_facts(rest)}"


def _text(value: Any) -> str:
    """Return a field of any type as text: a list of strings with commas, other values as JSON."""
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return ", ".join(value)
    return json.dumps(value, ensure_ascii=False)


def _facts(facts: dict[str, Any]) -> str:
    return "\n".join(f"{key.replace('_', ' ')}: {value}" for key, value in facts.items() if value is not None)
