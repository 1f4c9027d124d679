"""The completion cache: values by key, in a directory shared by parallel jobs; entries are durable before they are used."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from selfalign.completion_cache.segments import (
    Location,
    SegmentWriter,
    build_index,
    decode_entry,
    encode_entry,
    locate_entries,
    parse_key,
    write_index,
)
from selfalign.core.errors import InfrastructureError
from selfalign.core.hashing import json_sha256

# Lock file: a shared lock while the cache is open, an exclusive lock during compaction.
LOCK = "lock"


def request_key(identity: str, body: Mapping[str, Any]) -> str:
    """Return the completion key of a request: hash of everything that determines its completion, 64 hexadecimal digits.

    The prompt template enters only through the prompt and the stop strings in `body`, so stages or templates that send
    the same request to the same model share the completion.

    Args:
        identity: identity of the model (checkpoint hash, or hub id and revision), not the name under which it is served.
        body: the request's body: prompt, sampling parameters, seed, stop strings.
    """
    return json_sha256({"model": identity, "request": dict(body)})


class CompletionCache:
    """An open cache: the entries in `directory` at the time of opening, and those that this process adds.

    Locations of entries are in a temporary SQLite database, so memory does not grow with the cache. One thread may
    read while another appends.

    Args:
        directory: directory of the cache; must exist.
    """

    def __init__(self, directory: Path) -> None:
        self._writer = SegmentWriter(directory)
        self._lock = threading.Lock()
        # The empty name stands for a temporary database: cached in memory up to a few MB, then on disk.
        self._locations = sqlite3.connect("", check_same_thread=False)
        self._locations.execute("PRAGMA cache_size=-8192")
        self._locations.execute(
            "CREATE TABLE entries (key BLOB, segment INT, offset INT, length INT, "
            "PRIMARY KEY (key, segment, offset)) WITHOUT ROWID"
        )
        self._segments = sorted(directory.glob("*.jsonl"))
        for number, segment in enumerate(self._segments):
            self._add(number, locate_entries(segment))
        self._own = len(self._segments)
        self._segments.append(self._writer.path)
        self._reindexed: set[int] = set()
        self._open_segment = lru_cache(64)(lambda number: self._segments[number].open("rb"))

    def __len__(self) -> int:
        with self._lock:
            return self._locations.execute("SELECT count(DISTINCT key) FROM entries").fetchone()[0]

    def get(
        self, key: str, usable: Callable[[dict[str, Any]], bool] = lambda _: True
    ) -> dict[str, Any] | None:
        """Return the oldest usable value with a key, or None.

        Args:
            key: 64 hexadecimal digits.
            usable: predicate on values; values for which it returns False are skipped.

        Raises:
            ValueError: `key` is not 64 hexadecimal digits.
        """
        wanted = parse_key(key)
        for segment, offset, length in self._find(wanted):
            entry = self._read(segment, offset, length)
            if entry is None or entry[0] != wanted:
                if segment not in self._reindexed:
                    # The segment was damaged after it was indexed.
                    self._reindex(segment)
                    return self.get(key, usable)
            elif usable(entry[1]):
                return entry[1]
        return None

    def append(self, entries: Iterable[tuple[str, dict[str, Any]]]) -> None:
        """Write entries, and wait until they are on disk.

        Args:
            entries: the key (64 hexadecimal digits) and the value of each.

        Raises:
            InfrastructureError: they cannot be written (for instance, the disk is full).
        """
        try:
            locations = self._writer.append([(key, encode_entry(key, value)) for key, value in entries])
        except OSError as error:
            raise InfrastructureError(f"{self._writer.path}: cannot be written ({error.strerror})") from None
        with self._lock:
            self._add(self._own, locations)

    def close(self) -> None:
        """Close the cache, and write the index of the entries that this process added."""
        own = self._locations.execute(
            "SELECT key, offset, length FROM entries WHERE segment = ?", (self._own,)
        )
        if self._writer.path.exists():
            write_index(self._writer.path, own)
        self._writer.close()
        self._locations.close()
        self._open_segment.cache_clear()

    def _find(self, key: bytes) -> list[tuple[int, int, int]]:
        with self._lock:
            return self._locations.execute(
                "SELECT segment, offset, length FROM entries WHERE key = ? ORDER BY segment, offset", (key,)
            ).fetchall()

    def _read(self, segment: int, offset: int, length: int) -> tuple[bytes, dict[str, Any]] | None:
        return decode_entry(os.pread(self._open_segment(segment).fileno(), length, offset))

    def _reindex(self, segment: int) -> None:
        """Index a segment again; this reports its damaged lines."""
        self._reindexed.add(segment)
        locations = build_index(self._segments[segment])
        with self._lock:
            self._locations.execute("DELETE FROM entries WHERE segment = ?", (segment,))
            self._add(segment, locations)

    def _add(self, segment: int, locations: Iterable[Location]) -> None:
        self._locations.executemany(f"INSERT OR IGNORE INTO entries VALUES (?, {segment}, ?, ?)", locations)


@contextlib.contextmanager
def open_completion_cache(directory: str | Path) -> Iterator[CompletionCache]:
    """Open a completion cache; it cannot be compacted inside the block.

    Args:
        directory: directory of the cache; created if missing.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / LOCK).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        cache = CompletionCache(directory)
        try:
            yield cache
        finally:
            cache.close()
