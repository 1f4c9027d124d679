"""Export of the data set: train and test splits as JSON Lines and Parquet, and their checksums."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

from selfalign.core.hashing import file_sha256
from selfalign.core.jsonl import Record, atomic_path, read_jsonl, write_jsonl

# Rows per Parquet row group, which is also the number of rows held in memory.
ROW_GROUP = 1000


def split_rows(
    source: str | Path,
    train: str | Path,
    test: str | Path | None = None,
    *,
    share: float = 0.0,
    seed: int = 0,
) -> tuple[int, int]:
    """Split rows at random into train and test; both keep the order of the rows. Constant memory.

    Each split gets at least one row if there are two rows or more and `share` is positive.

    Args:
        source: JSON Lines file of rows.
        train: JSON Lines file of the train split.
        test: JSON Lines file of the test split; None writes none.
        share: share of the rows that goes to `test`, from 0 to 1.
        seed: seed of the split.

    Returns:
        the numbers of rows of `train` and of `test`.
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
    """Write rows as Parquet, one row group at a time.

    A column whose values all are strings, integers, numbers, booleans or lists of strings has that type; any other column
    (``lineage``) is JSON text, so that the schema does not depend on the contents of nested objects.

    Args:
        source: JSON Lines file of rows.
        out: Parquet file.
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
    """Return the kind of each column, in order of first appearance; ``json`` if its values differ in kind.

    Args:
        rows: the rows.
    """
    kinds: dict[str, str | None] = {}
    for row in rows:
        for name, value in row.items():
            found, before = _kind(value), kinds.get(name)
            kinds[name] = before if found is None else found if before in (None, found) else "json"
    return {name: kind or "json" for name, kind in kinds.items()}


def write_checksums(out: str | Path, files: Iterable[str | Path]) -> None:
    """Write SHA-256 checksums in the format of ``sha256sum``.

    Args:
        out: file of checksums.
        files: files to hash, listed by name without directory.
    """
    lines = [f"{file_sha256(path)}  {Path(path).name}\n" for path in files]
    with atomic_path(out) as temporary:
        temporary.write_text("".join(lines), encoding="utf-8")


def _kind(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return "strings"
    kinds = {bool: "truth", str: "string", int: "integer", float: "number"}
    return kinds.get(type(value), "json")


def _cell(value: Any, kind: str) -> Any:
    return json.dumps(value, sort_keys=True) if kind == "json" and value is not None else value
