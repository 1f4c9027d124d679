"""Local sources: a directory of Python files, a file of seeds."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from selfalign.core.errors import DataError
from selfalign.core.jsonl import Record, read_numbered, require
from selfalign.seeds.functions import text_sha1
from selfalign.seeds.sources import SourceFile


def list_python_files(directory: str | Path) -> list[Path]:
    """Return the ``.py`` files below a directory, sorted by relative path; hidden directories are skipped.

    Args:
        directory: searched recursively.

    Raises:
        DataError: the directory does not exist.
    """
    directory = Path(directory)
    if not directory.is_dir():
        raise DataError("expected a directory of Python files", file=directory)
    relative = (path.relative_to(directory) for path in directory.rglob("*.py") if path.is_file())
    shown = (path for path in relative if not any(part.startswith(".") for part in path.parts))
    return [directory / path for path in sorted(shown, key=Path.as_posix)]


def read_directory(directory: str | Path) -> Iterator[SourceFile]:
    """Yield the Python files below a directory, with paths relative to it.

    Args:
        directory: searched recursively.

    Raises:
        DataError: the directory does not exist.
    """
    for path in list_python_files(directory):
        yield _source_file(path, Path(directory))


def part_files(directory: str | Path, parts: int, part: int) -> list[Path]:
    """Return the files of one part of a directory; a file's relative path alone determines its part.

    Args:
        directory: searched recursively.
        parts: number of parts.
        part: number of the part, from 0.

    Raises:
        DataError: the directory does not exist.
    """
    root = Path(directory)
    return [p for p in list_python_files(root) if _part(p.relative_to(root).as_posix(), parts) == part]


def read_part(directory: str | Path, parts: int, part: int) -> Iterator[SourceFile]:
    """Yield the files of one part of a directory.

    Args:
        directory: searched recursively.
        parts: number of parts.
        part: number of the part, from 0.

    Raises:
        DataError: the directory does not exist.
    """
    for path in part_files(directory, parts, part):
        yield _source_file(path, Path(directory))


def read_rows(path: str | Path) -> Iterator[Record]:
    """Yield the rows of a file of seeds; ``sha1`` and ``lineage`` are added to rows without them.

    Args:
        path: JSON Lines file.

    Raises:
        DataError: a row has no string ``seed``.
    """
    for number, record in read_numbered(path):
        seed = require(record, "seed", str, file=path, number=number)
        if record.get("lineage"):
            require(record, "lineage", dict, file=path, number=number)
        lineage = record.get("lineage") or {"seed": {"file": Path(path).name, "record": number}}
        yield {**record, "sha1": record.get("sha1") or text_sha1(seed), "lineage": lineage}


def _source_file(path: Path, root: Path) -> SourceFile:
    return SourceFile(path.relative_to(root).as_posix(), path, {"directory": root.name})


def _part(name: str, parts: int) -> int:
    return int.from_bytes(hashlib.sha1(name.encode("utf-8", "surrogateescape")).digest()[:8], "big") % parts
