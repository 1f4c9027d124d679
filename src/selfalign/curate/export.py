"""Handing the data set over: JSON Lines and Parquet, train and test, checksums."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from selfalign.core.hashing import file_sha256
from selfalign.core.jsonl import Record, atomic_path, read_jsonl, write_jsonl

# Rows of a Parquet row group, and of what is held in memory at a time.
ROW_GROUP = 1000


def split_rows(
    source: str | Path,
    train: str | Path,
    test: str | Path | None = None,
    *,
    share: float = 0.0,
    seed: int = 0,
) -> tuple[int, int]:
    """Copy rows to `train` and, by a seeded draw, `share` of them to `test`; both keep the order. Constant memory.

    At least one row goes to each, where there are two rows or more and a share is asked for.

    Returns:
        the numbers of rows.
    """
    if test is None or not share:
        return write_jsonl(train, read_jsonl(source)), 0
    count = sum(1 for _ in read_jsonl(source))
    wanted = min(max(round(share * count), 1), count - 1) if count > 1 else 0
    drawn = set(random.Random(seed).sample(range(count), wanted))
    write_jsonl(train, (row for place, row in enumerate(read_jsonl(source)) if place not in drawn))
    write_jsonl(test, (row for place, row in enumerate(read_jsonl(source)) if place in drawn))
    return count - wanted, wanted


def write_parquet(source: str | Path, out: str | Path) -> None:
    """Write the rows of `source` as Parquet, a row group at a time.

    A column whose values are all strings, integers, numbers, truth values or lists of strings has that type;
    any other (``lineage``) is JSON text, so that the columns are the same whatever a row's history holds.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {
        "string": pa.string(),
        "integer": pa.int64(),
        "number": pa.float64(),
        "truth": pa.bool_(),
        "strings": pa.list_(pa.string()),
        "json": pa.string(),
    }
    kinds = column_kinds(read_jsonl(source)) or {"instruction": "string", "response": "string"}
    schema = pa.schema([(name, types[kind]) for name, kind in kinds.items()])
    rows = read_jsonl(source)
    with atomic_path(out) as temporary, pq.ParquetWriter(temporary, schema) as writer:
        while group := list(islice(rows, ROW_GROUP)):
            columns = [[_cell(row.get(name), kind) for row in group] for name, kind in kinds.items()]
            arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))


def column_kinds(rows: Iterable[Record]) -> dict[str, str]:
    """Return the kind of every column, in the order of their first appearance; ``json`` where values differ."""
    kinds: dict[str, str | None] = {}
    for row in rows:
        for name, value in row.items():
            found, before = _kind(value), kinds.get(name)
            kinds[name] = before if found is None else found if before in (None, found) else "json"
    return {name: kind or "json" for name, kind in kinds.items()}


def write_checksums(out: str | Path, files: Iterable[str | Path]) -> None:
    """Write SHA-256 checksums of `files` in the format of ``sha256sum``."""
    lines = [f"{file_sha256(path)}  {Path(path).name}\n" for path in files]
    with atomic_path(out) as temporary:
        temporary.write_text("".join(lines), encoding="utf-8")


def read_checksums(path: str | Path) -> Iterator[tuple[str, str]]:
    """Yield file name and SHA-256 of every line that :func:`write_checksums` wrote."""
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        digest, _, name = line.partition("  ")
        yield name, digest


def _kind(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return "strings"
    kinds = {bool: "truth", str: "string", int: "integer", float: "number"}
    return kinds.get(type(value), "json")


def _cell(value: Any, kind: str) -> Any:
    return json.dumps(value, sort_keys=True) if kind == "json" and value is not None else value
