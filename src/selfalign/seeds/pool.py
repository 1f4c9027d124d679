"""The pool of all seeds in a fixed random order, and the shards of it that generation takes, from the start."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import islice
from pathlib import Path

from selfalign.core.jsonl import Record, read_jsonl, read_numbered, require, write_jsonl

log = logging.getLogger(__name__)


def read_seeds(path: str | Path) -> Iterator[Record]:
    """Yield the rows of a file of seeds.

    Args:
        path: JSON Lines file.

    Raises:
        DataError: a row has no string ``seed``.
    """
    for number, record in read_numbered(path):
        require(record, "seed", str, file=path, number=number)
        yield record


def build_pool(units: Iterable[str | Path], out: str | Path, seed: int) -> int:
    """Write the rows of all units in random order; return their number. Holds all rows in memory.

    Rows are sorted by a hash of `seed` and their text, so the order depends neither on the order of the units nor on the
    number of seeds in use, and another unit only inserts its rows between the others.

    Args:
        units: JSON Lines files of seeds.
        out: JSON Lines file of the pool.
        seed: seed of the order.

    Raises:
        DataError: a row has no string ``seed``.
    """
    rows = sorted((row for unit in units for row in read_seeds(unit)), key=lambda row: _sort_key(row, seed))
    return write_jsonl(out, rows)


def cut_shard(pool: str | Path, out: str | Path, bounds: Sequence[int]) -> int:
    """Write a range of the rows of the pool, or of imported rows, each with its ``index``; return their number.

    A shard beyond the end of the rows is short or empty, which is logged as a warning.

    Args:
        pool: JSON Lines file of the pool, or of imported rows.
        out: JSON Lines file of the shard.
        bounds: indices of the first row of the shard and of the first row after it, from 0.

    Raises:
        DataError: a row is not a JSON object.
    """
    start, stop = bounds
    rows = ({"index": start + i, **row} for i, row in enumerate(islice(read_jsonl(pool), start, stop)))
    count = write_jsonl(out, rows)
    if count < stop - start:
        log.warning(
            "there are no rows from record %d on: this shard has %d of %d records; lower seeds.count (or start.count), or add "
            "sources",
            start + count,
            count,
            stop - start,
        )
    return count


def _sort_key(row: Record, seed: int) -> bytes:
    return sha256(f"{seed}\0{row['seed']}".encode("utf-8", "surrogatepass")).digest()
