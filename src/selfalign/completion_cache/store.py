"""The completion cache: values under keys, durable before they count, in one directory shared by parallel jobs."""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from selfalign.completion_cache.segments import SegmentWriter, encode, places_of, write_index
from selfalign.core.errors import InfrastructureError

log = logging.getLogger(__name__)

Entry = tuple[str, dict[str, Any]]

LOCK = "lock"


class CompletionCache:
    """What was in `directory` when it was opened, and what this process adds.

    The index of all entries is a private temporary database on disk, so memory does not grow with the
    cache. One thread may read while another appends.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._writer = SegmentWriter(directory)
        self._lock = threading.Lock()
        # An empty name is SQLite's own temporary database: cached in memory up to a few MB, then on disk.
        self._index = sqlite3.connect("", check_same_thread=False)
        self._index.execute("PRAGMA cache_size=-8192")
        self._index.execute(
            "CREATE TABLE entries (key BLOB, segment INT, offset INT, length INT, "
            "PRIMARY KEY (key, segment, offset)) WITHOUT ROWID"
        )
        self._segments: list[Path] = []
        for segment in sorted(directory.glob("*.jsonl")):
            self._add(segment, places_of(segment))
        self._own = len(self._segments)
        self._segments.append(self._writer.path)
        self._descriptor = lru_cache(64)(self._open)

    def __len__(self) -> int:
        with self._lock:
            return self._index.execute("SELECT count(DISTINCT key) FROM entries").fetchone()[0]

    def get(
        self, key: str, usable: Callable[[dict[str, Any]], bool] = lambda _: True
    ) -> dict[str, Any] | None:
        """Return the value under `key`, or None.

        Args:
            key: 64 hexadecimal digits.
            usable: whether a value will do; of several entries under the key, the oldest that will do counts.
        """
        with self._lock:
            places = self._index.execute(
                "SELECT segment, offset, length FROM entries WHERE key = ? ORDER BY segment, offset",
                (bytes.fromhex(key),),
            ).fetchall()
        values = (self._read(key, *place) for place in places)
        return next((value for value in values if value is not None and usable(value)), None)

    def _read(self, key: str, segment: int, offset: int, length: int) -> dict[str, Any] | None:
        line = os.pread(self._descriptor(segment).fileno(), length, offset)
        try:
            entry = json.loads(line)
        except ValueError:
            entry = {}
        if entry.get("key") != key:
            log.warning("%s: no longer what its index says at byte %d", self._segments[segment], offset)
            return None
        return entry["value"]

    def append(self, entries: Iterable[Entry]) -> None:
        """Write `entries` and wait until they are on the disk.

        Raises:
            InfrastructureError: they cannot be written (the disk is full, for one).
        """
        try:
            places = self._writer.append([(key, encode(key, value)) for key, value in entries])
        except OSError as error:
            raise InfrastructureError(f"{self._writer.path}: cannot be written ({error.strerror})") from None
        with self._lock:
            self._index.executemany(f"INSERT OR IGNORE INTO entries VALUES (?, {self._own}, ?, ?)", places)

    def close(self) -> None:
        """Close the completion cache; keep the index of what this process wrote."""
        own = self._index.execute(
            "SELECT key, offset, length FROM entries WHERE segment = ? ORDER BY key", (self._own,)
        )
        if self._writer.path.exists():
            write_index(self._writer.path, own)
        self._writer.close()
        self._index.close()
        self._descriptor.cache_clear()

    def _add(self, segment: Path, places: Iterable[tuple[bytes, int, int]]) -> None:
        number = len(self._segments)
        self._segments.append(segment)
        self._index.executemany(f"INSERT OR IGNORE INTO entries VALUES (?, {number}, ?, ?)", places)

    def _open(self, segment: int) -> Any:
        return self._segments[segment].open("rb")


@contextlib.contextmanager
def open_completion_cache(directory: str | Path) -> Iterator[CompletionCache]:
    """Open the completion cache in `directory`, which is made if it is not there."""
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / LOCK).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        cache = CompletionCache(directory)
        try:
            yield cache
        finally:
            cache.close()
