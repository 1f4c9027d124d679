"""Inspection and compaction of a completion cache."""

from __future__ import annotations

import fcntl
import hashlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from selfalign.completion_cache.cache import LOCK, open_completion_cache
from selfalign.completion_cache.segments import (
    Location,
    SegmentWriter,
    index_path,
    read_lines,
    warn_of_damage,
    write_index,
)
from selfalign.core.errors import DataError, InfrastructureError
from selfalign.core.jsonl import atomic_path


@dataclass
class Summary:
    """Contents of a completion cache.

    Attributes:
        segments: number of segments.
        size: bytes of all segments.
        lines: entries in all segments.
        entries: distinct keys among them.
        damaged_lines: lines that are incomplete or damaged.
        choices: samples in the entries, each key counted once.
        completion_tokens: number of their tokens, as counted by the servers.
        models: number of entries by the model's identity.
    """

    segments: int = 0
    size: int = 0
    lines: int = 0
    entries: int = 0
    damaged_lines: int = 0
    choices: int = 0
    completion_tokens: int = 0
    models: Counter[str] = field(default_factory=Counter)

    def to_json(self) -> dict[str, Any]:
        """Return the summary as a JSON object."""
        return {**vars(self), "models": dict(sorted(self.models.items()))}


def inspect(directory: str | Path) -> Summary:
    """Read every entry of a completion cache and summarise them.

    Args:
        directory: directory of the cache.

    Raises:
        DataError: there is no such directory.
    """
    summary = Summary()
    seen: set[bytes] = set()
    for segment in _segments(directory):
        summary.segments += 1
        summary.size += segment.stat().st_size
        for line in read_lines(segment):
            if line.entry is None:
                summary.damaged_lines += 1
                continue
            summary.lines += 1
            key, value = line.entry
            if key in seen:
                continue
            seen.add(key)
            summary.models[str(value.get("model", "?"))] += 1
            choices, usage = value.get("choices"), value.get("usage")
            summary.choices += len(choices) if isinstance(choices, list) else 0
            tokens = usage.get("completion_tokens") if isinstance(usage, dict) else None
            summary.completion_tokens += tokens if isinstance(tokens, int) else 0
    summary.entries = len(seen)
    return summary


def look_up(directory: str | Path, key: str) -> dict[str, Any]:
    """Return the value with a key.

    Args:
        directory: directory of the cache.
        key: 64 hexadecimal digits.

    Raises:
        DataError: there is no such directory, or it has no such entry.
    """
    _segments(directory)
    with open_completion_cache(directory) as cache:
        try:
            value = cache.get(key)
        except ValueError:
            raise DataError(f"expected a key of 64 hexadecimal digits, found '{key}'") from None
    if value is None:
        raise DataError(f"expected an entry with the key {key}, found none", file=directory)
    return value


def compact(directory: str | Path) -> tuple[int, int]:
    """Merge all segments into one, without damaged lines and duplicates.

    Nothing is lost if it is interrupted: the old segments are deleted after the new one is complete.

    Args:
        directory: directory of the cache.

    Returns:
        The size of the segments before and after, in bytes.

    Raises:
        InfrastructureError: a job has the cache open.
        DataError: there is no such directory.
    """
    _segments(directory)
    with (Path(directory) / LOCK).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InfrastructureError(
                f"{directory}: a job has the completion cache open; compact it later"
            ) from None
        old = _segments(directory)
        before = sum(segment.stat().st_size for segment in old)
        if not old:
            return 0, 0
        merged = SegmentWriter(Path(directory)).path
        locations: list[Location] = []
        seen: set[bytes] = set()
        with atomic_path(merged) as temporary, temporary.open("wb") as out:
            for segment in old:
                for line in read_lines(segment):
                    # A complete entry may have lost its newline, as the last line of a killed writer.
                    data = line.data.removesuffix(b"\n") + b"\n"
                    if line.entry is None:
                        if not line.is_incomplete:
                            warn_of_damage(segment, line)
                    elif (digest := hashlib.sha256(data).digest()) not in seen:
                        seen.add(digest)
                        locations.append((line.entry[0], out.tell(), len(data)))
                        out.write(data)
        write_index(merged, locations)
        for segment in old:
            index_path(segment).unlink(missing_ok=True)
            segment.unlink()
        return before, merged.stat().st_size


def _segments(directory: str | Path) -> list[Path]:
    if not Path(directory).is_dir():
        raise DataError("expected the directory of a completion cache, found none", file=directory)
    return sorted(Path(directory).glob("*.jsonl"))
