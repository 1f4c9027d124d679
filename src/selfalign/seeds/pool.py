"""The pool of all seeds in one fixed order, and the shards that generation takes from its head."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import islice
from pathlib import Path

from selfalign.core.jsonl import Record, read_numbered, require, write_jsonl

log = logging.getLogger(__name__)


def read_seeds(path: str | Path) -> Iterator[Record]:
    """Yield the rows of a file of seeds.

    Raises:
        DataError: a row has no string ``seed``.
    """
    for number, record in read_numbered(path):
        require(record, "seed", str, file=path, number=number)
        yield record


def build_pool(units: Iterable[str | Path], out: str | Path, seed: int) -> int:
    """Write the rows of all units, shuffled; return their number.

    A row's place follows from a hash of `seed` and its text alone, so the order depends neither on the
    order of the units nor on how many seeds are used, and a unit more only puts its rows in between.
    """
    rows = sorted((row for unit in units for row in read_seeds(unit)), key=lambda row: _place(row, seed))
    return write_jsonl(out, rows)


def cut_shard(pool: str | Path, out: str | Path, bounds: Sequence[int]) -> int:
    """Write the pool's rows from `bounds[0]` up to `bounds[1]`, each with its ``index``; return their number.

    A shard beyond the pool's end is short or empty; the log says so.
    """
    start, stop = bounds
    rows = ({"index": start + i, **row} for i, row in enumerate(islice(read_seeds(pool), start, stop)))
    count = write_jsonl(out, rows)
    if count < stop - start:
        log.warning(
            "the pool ends before record %d: this shard has %d of %d seeds; lower seeds.count or add sources",
            stop,
            count,
            stop - start,
        )
    return count


def _place(row: Record, seed: int) -> bytes:
    return sha256(f"{seed}\0{row['seed']}".encode("utf-8", "surrogatepass")).digest()
