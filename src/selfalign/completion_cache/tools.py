"""Looking into a completion cache, and making it small and quick to open again."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from selfalign.completion_cache.segments import SegmentWriter, index_path, scan, write_index
from selfalign.completion_cache.store import LOCK, open_completion_cache
from selfalign.core.errors import DataError, InfrastructureError
from selfalign.core.jsonl import atomic_path


@dataclass
class Summary:
    """What a completion cache holds.

    Attributes:
        size: bytes of all segments.
        lines: whole entries in all segments; `entries` of them have a key of their own.
        torn: lines that are no entry (a crash tore them).
        models: entries by what the model is.
    """

    segments: int = 0
    size: int = 0
    lines: int = 0
    entries: int = 0
    torn: int = 0
    choices: int = 0
    completion_tokens: int = 0
    models: Counter[str] = field(default_factory=Counter)

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {**vars(self), "models": dict(sorted(self.models.items()))}


def inspect(directory: str | Path) -> Summary:
    """Read every entry of the completion cache in `directory`.

    Raises:
        DataError: there is no such directory.
    """
    summary = Summary()
    seen: set[bytes] = set()
    for segment in _segments(directory):
        summary.segments += 1
        summary.size += segment.stat().st_size
        with segment.open("rb") as handle:
            for line in handle:
                try:
                    entry = json.loads(line)
                    key, value = bytes.fromhex(entry["key"]), entry["value"]
                except (ValueError, KeyError, TypeError):
                    summary.torn += 1
                    continue
                summary.lines += 1
                if key in seen:
                    continue
                seen.add(key)
                summary.models[value.get("model", "?")] += 1
                summary.choices += len(value.get("choices", ()))
                summary.completion_tokens += value.get("usage", {}).get("completion_tokens") or 0
    summary.entries = len(seen)
    return summary


def look_up(directory: str | Path, key: str) -> dict[str, Any]:
    """Return the value under `key`.

    Raises:
        DataError: the completion cache has no such entry.
    """
    _segments(directory)
    with open_completion_cache(directory) as cache:
        try:
            value = cache.get(key)
        except ValueError:
            raise DataError(f"expected a key of 64 hexadecimal digits, found '{key}'") from None
    if value is None:
        raise DataError(f"expected an entry under the key {key}, found none", file=directory)
    return value


def compact(directory: str | Path) -> tuple[int, int]:
    """Make one segment of all, without torn lines and equal copies; return the bytes before and after.

    A crash on the way loses nothing: the old segments go only when the new one is whole.

    Raises:
        InfrastructureError: a job has the completion cache open.
        DataError: there is no such directory.
    """
    old = _segments(directory)
    with (Path(directory) / LOCK).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InfrastructureError(
                f"{directory}: a job has the completion cache open; compact it later"
            ) from None
        before = sum(segment.stat().st_size for segment in old)
        if not old:
            return 0, 0
        merged = SegmentWriter(Path(directory)).path
        seen: set[bytes] = set()
        with atomic_path(merged) as temporary, temporary.open("wb") as out:
            for segment in old:
                with segment.open("rb") as handle:
                    for _, offset, length in scan(segment):
                        line = os.pread(handle.fileno(), length, offset)
                        if (digest := hashlib.sha256(line).digest()) not in seen:
                            seen.add(digest)
                            out.write(line)
        write_index(merged, scan(merged))
        for segment in old:
            index_path(segment).unlink(missing_ok=True)
            segment.unlink()
        return before, merged.stat().st_size


def _segments(directory: str | Path) -> list[Path]:
    if not Path(directory).is_dir():
        raise DataError("expected the directory of a completion cache, found none", file=directory)
    return sorted(Path(directory).glob("*.jsonl"))
