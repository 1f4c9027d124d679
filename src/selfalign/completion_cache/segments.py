"""Segments: append-only files of JSON lines, each written by one process only.

A segment is ``<name>.jsonl``; its writer holds an exclusive lock on it until it is closed. A closed segment has an index
beside it (``<name>.index``), so that opening the cache does not parse every line. The index contains the size of its
segment and a checksum: an index that does not match its segment, or is damaged, is rebuilt.

A killed writer leaves at most one incomplete line, the last. It is removed when the segment is indexed. Any other
invalid line was damaged later: it is reported when the segment is indexed, and skipped.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import logging
import os
import struct
import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfalign.core.jsonl import atomic_path

log = logging.getLogger(__name__)

Location = tuple[bytes, int, int]
"""Location of an entry in a segment: key, offset and length, the last two in bytes."""

KEY_BYTES = 32
_MAGIC = b"SAINDEX1"
_HEADER = struct.Struct("<8sQ")  # magic, size of the segment in bytes
_RECORD = struct.Struct(f"<{KEY_BYTES}sQQ")


def parse_key(key: str) -> bytes:
    """Return a key as bytes.

    Args:
        key: 64 hexadecimal digits.

    Raises:
        ValueError: `key` is not 64 hexadecimal digits.
    """
    found = bytes.fromhex(key)
    if len(found) != KEY_BYTES:
        raise ValueError(f"expected {2 * KEY_BYTES} hexadecimal digits, found '{key}'")
    return found


def encode_entry(key: str, value: dict[str, Any]) -> bytes:
    """Return the line of an entry.

    Args:
        key: 64 hexadecimal digits.
        value: any JSON object.
    """
    return json.dumps({"key": key, "value": value}, separators=(",", ":")).encode() + b"\n"


def decode_entry(line: bytes) -> tuple[bytes, dict[str, Any]] | None:
    """Return the key and the value of a line, or None if it is incomplete or damaged.

    Args:
        line: a line of a segment, with or without its newline.
    """
    try:
        entry = json.loads(line)
        key, value = parse_key(entry["key"]), entry["value"]
    except (ValueError, KeyError, TypeError):
        return None
    return (key, value) if isinstance(value, dict) else None


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a segment.

    Attributes:
        number: line number, from 1.
        offset: its position in the segment, in bytes.
        data: its bytes, with the newline if it has one.
        entry: key and value; None if the line is incomplete or damaged.
    """

    number: int
    offset: int
    data: bytes
    entry: tuple[bytes, dict[str, Any]] | None

    @property
    def is_incomplete(self) -> bool:
        """Whether its writer was killed, or is still writing."""
        return self.entry is None and not self.data.endswith(b"\n")


def read_lines(segment: Path) -> Iterator[Line]:
    """Yield every line of a segment.

    Args:
        segment: path of the segment.
    """
    offset = 0
    with segment.open("rb") as handle:
        for number, data in enumerate(handle, start=1):
            yield Line(number, offset, data, decode_entry(data))
            offset += len(data)


def warn_of_damage(segment: Path, line: Line) -> None:
    """Report a damaged line.

    Args:
        segment: path of the segment.
        line: the damaged line.
    """
    log.warning(
        "%s, line %d: expected a cached completion, found damaged data; skipped", segment, line.number
    )


class SegmentWriter:
    """Writes one new segment; the file is created with the first entry.

    Args:
        directory: directory of the cache.
    """

    def __init__(self, directory: Path) -> None:
        # Names sort by time: where two jobs requested the same completion, all later readers use the older one.
        self.path = directory / f"{time.time_ns():020d}-{uuid.uuid4().hex[:8]}.jsonl"
        self._descriptor: int | None = None
        self._end = 0

    def append(self, lines: Iterable[tuple[str, bytes]]) -> list[Location]:
        """Write encoded entries, wait until they are on disk, and return their locations.

        Args:
            lines: the key and the line of each entry.

        Raises:
            OSError: they cannot be written; none of them is in the segment then.
        """
        if self._descriptor is None:
            self._descriptor = _create(self.path)
        locations: list[Location] = []
        data = bytearray()
        for key, line in lines:
            locations.append((parse_key(key), self._end + len(data), len(line)))
            data += line
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
            os.fsync(self._descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self._end)
            raise
        self._end += len(data)
        return locations

    def close(self) -> None:
        """Close the segment and release the lock on it."""
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


def index_path(segment: Path) -> Path:
    """Return the path of a segment's index.

    Args:
        segment: path of the segment.
    """
    return segment.with_suffix(".index")


def write_index(segment: Path, locations: Iterable[Location]) -> None:
    """Write the index of a segment that is complete.

    Args:
        segment: path of the segment.
        locations: locations of all its entries.
    """
    index = bytearray(_HEADER.pack(_MAGIC, segment.stat().st_size))
    for location in sorted(locations):
        index += _RECORD.pack(*location)
    with atomic_path(index_path(segment)) as temporary:
        temporary.write_bytes(index + hashlib.sha256(index).digest())


def read_index(segment: Path) -> Iterator[Location] | None:
    """Return the locations in the index of a segment, or None if there is no index that matches the segment.

    Args:
        segment: path of the segment.
    """
    try:
        stored = index_path(segment).read_bytes()
    except FileNotFoundError:
        return None
    index, digest = memoryview(stored)[:-KEY_BYTES], stored[-KEY_BYTES:]
    if len(index) < _HEADER.size or hashlib.sha256(index).digest() != digest:
        return None
    if _HEADER.unpack_from(index) != (_MAGIC, segment.stat().st_size):
        return None
    return _RECORD.iter_unpack(index[_HEADER.size :])


def locate_entries(segment: Path) -> Iterable[Location]:
    """Return the locations of all entries of a segment, from its index if that matches.

    Otherwise read the segment; unless another process is writing it, complete or remove an incomplete last line and
    write the index. Damaged lines are reported.

    Args:
        segment: path of the segment.
    """
    stored = read_index(segment)
    return build_index(segment) if stored is None else stored


def build_index(segment: Path) -> list[Location]:
    """Read a segment, write its index, and return the locations of its entries; see :func:`locate_entries`.

    Args:
        segment: path of the segment.
    """
    with segment.open("r+b") as handle:
        try:
            # Also keeps a writer that has just created the segment from writing before this is done.
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            has_writer = False
        except BlockingIOError:
            has_writer = True
        locations: list[Location] = []
        last = None
        for last in read_lines(segment):
            if last.entry is not None:
                locations.append((last.entry[0], last.offset, len(last.data)))
            elif not last.is_incomplete:
                warn_of_damage(segment, last)
        if has_writer:
            return locations
        if last is not None and not last.data.endswith(b"\n"):
            if last.is_incomplete:
                log.info("%s, line %d: removed an incomplete line", segment, last.number)
                handle.truncate(last.offset)
            else:
                handle.seek(0, os.SEEK_END)
                handle.write(b"\n")
            handle.flush()
            os.fsync(handle.fileno())
        write_index(segment, locations)
    return locations
