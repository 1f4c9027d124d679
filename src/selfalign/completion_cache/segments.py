"""Segments: append-only files of JSON lines, each written by one process only.

A segment is ``<name>.jsonl``. Its writer holds a lock on it as long as it lives; when it is closed, or found
without a living writer, an index of it is kept beside it (``<name>.index``, SQLite), so that nobody has to
read it through again. A crash can tear its last line only, which is passed over.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import sqlite3
import time
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from selfalign.core.jsonl import atomic_path

log = logging.getLogger(__name__)

Place = tuple[bytes, int, int]  # key, offset, length in bytes


def encode(key: str, value: dict[str, Any]) -> bytes:
    """Return an entry as the line that is written."""
    return json.dumps({"key": key, "value": value}, separators=(",", ":")).encode() + b"\n"


class SegmentWriter:
    """Writes one new segment in `directory`; the file is made with the first entry."""

    def __init__(self, directory: Path) -> None:
        # Names sort by time: where two jobs bought the same completion, all later readers take the older one.
        self.path = directory / f"{time.time_ns():020d}-{uuid.uuid4().hex[:8]}.jsonl"
        self._descriptor: int | None = None
        self._end = 0

    def append(self, lines: Iterable[tuple[str, bytes]]) -> list[Place]:
        """Write encoded entries, wait until they are on the disk, and return where they are."""
        if self._descriptor is None:
            self._descriptor = _create(self.path)
        places: list[Place] = []
        data = bytearray()
        for key, line in lines:
            places.append((bytes.fromhex(key), self._end + len(data), len(line)))
            data += line
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
        os.fsync(self._descriptor)
        self._end += len(data)
        return places

    def close(self) -> None:
        """Close the segment, which ends the lock on it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _create(path: Path) -> int:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return descriptor


def scan(segment: Path) -> Iterator[Place]:
    """Yield the place of every whole entry of a segment."""
    offset = 0
    with segment.open("rb") as handle:
        for line in handle:
            try:
                yield bytes.fromhex(json.loads(line)["key"]), offset, len(line)
            except (ValueError, KeyError, TypeError):
                log.warning("%s: passed over a torn entry at byte %d", segment, offset)
            offset += len(line)


def has_writer(segment: Path) -> bool:
    """Tell whether the process that writes `segment` still lives."""
    with segment.open("rb") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        return False


def index_path(segment: Path) -> Path:
    """Return where the index of `segment` is kept."""
    return segment.with_suffix(".index")


def write_index(segment: Path, places: Iterable[Place]) -> None:
    """Keep the index of a segment that will not change any more."""
    with atomic_path(index_path(segment)) as temporary:
        temporary.unlink()
        with contextlib.closing(sqlite3.connect(temporary)) as index:
            index.execute("PRAGMA journal_mode=OFF")
            index.execute(
                "CREATE TABLE entries (key BLOB, offset INT, length INT, PRIMARY KEY (key, offset)) WITHOUT ROWID"
            )
            index.executemany("INSERT OR IGNORE INTO entries VALUES (?, ?, ?)", places)
            index.commit()


def read_index(segment: Path) -> Iterator[Place]:
    """Yield the places in the index of `segment`, in the order of the keys."""
    uri = f"file:{index_path(segment)}?immutable=1"
    with contextlib.closing(sqlite3.connect(uri, uri=True)) as index:
        yield from index.execute("SELECT key, offset, length FROM entries ORDER BY key, offset")


def places_of(segment: Path) -> Iterator[Place]:
    """Yield the places of all entries of a segment, from its index if it has one; keep one where it may."""
    if index_path(segment).exists():
        yield from read_index(segment)
        return
    writer = has_writer(segment)
    if not writer:
        write_index(segment, scan(segment))
        yield from read_index(segment)
        return
    yield from scan(segment)
