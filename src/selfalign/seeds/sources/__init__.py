"""Sources of seeds. A source is divided into units: fixed sets of files, each one job of the stage.

Adding to a source adds units and leaves the others unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from selfalign.core.config.seeds import SourcesConfig
from selfalign.core.errors import ConfigError
from selfalign.core.jsonl import Record


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file of Python code.

    Attributes:
        path: path within the source, as in the records.
        content: its bytes, or the path to read them from.
        origin: where it comes from and its licence; goes into the lineage.
        excluded: reason for which it must not be read (``opted_out``); such a file has no content.
    """

    path: str
    content: bytes | Path
    origin: dict[str, Any] = field(default_factory=dict)
    excluded: str | None = None

    def read_bytes(self) -> bytes:
        """Return the content."""
        return self.content if isinstance(self.content, bytes) else self.content.read_bytes()


def list_units(sources: SourcesConfig) -> list[str]:
    """Return the names of a source's units, in order; each is usable as a file name.

    Args:
        sources: the source.

    Raises:
        ConfigError: two units have the same name.
    """
    match sources.kind:
        case "packages":
            names = [package.replace("==", "-") for package in sources.packages]
        case "directory":
            names = [f"part-{number:04d}" for number in range(sources.parts)]
        case "jsonl":
            names = ["rows"]
        case _:
            names = [_slug(name) for name in sources.files]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"configuration: 'seeds.sources' names {', '.join(twice)} twice")
    return names


def unit_files(sources: SourcesConfig, unit: str) -> list[str]:
    """Return the local files that a unit depends on: the files it is read from, or the list of opt-outs.

    Args:
        sources: the source.
        unit: name of the unit.
    """
    from selfalign.seeds.sources.local import part_files

    if sources.kind == "jsonl":
        return [str(sources.path)]
    if sources.kind == "directory":
        return [str(path) for path in part_files(str(sources.path), sources.parts, _number(unit))]
    if sources.kind == "stack" and sources.opt_out:
        return [sources.opt_out]
    return []


def gives_seeds(sources: SourcesConfig) -> bool:
    """Return whether a source has seeds, rather than files to extract functions from.

    Args:
        sources: the source.
    """
    return sources.kind in ("hub", "jsonl")


def open_files(sources: SourcesConfig, unit: str, wheel: str | Path | None = None) -> Iterator[SourceFile]:
    """Yield the source files of a unit, in a fixed order.

    Args:
        sources: the source.
        unit: name of the unit.
        wheel: the unit's wheel, for kind `packages`.

    Raises:
        DataError: a file or row of the source is not as expected.
        InfrastructureError: the hub cannot be reached.
    """
    from selfalign.seeds.sources import hub, local, packages

    match sources.kind:
        case "packages":
            assert wheel is not None
            return packages.read_wheel(wheel, sources.licenses)
        case "directory":
            return local.read_part(str(sources.path), sources.parts, _number(unit))
        case _:
            return hub.read_stack(sources, _file_of(sources, unit))


def open_seeds(sources: SourcesConfig, unit: str) -> Iterator[Record]:
    """Yield the rows of a unit of a source of seeds, with ``seed``, ``sha1`` and ``lineage``.

    Args:
        sources: the source.
        unit: name of the unit.

    Raises:
        DataError: a row has no string ``seed``.
        InfrastructureError: the hub cannot be reached.
    """
    from selfalign.seeds.sources import hub, local

    if sources.kind == "jsonl":
        return local.read_rows(str(sources.path))
    return hub.read_seeds(sources, _file_of(sources, unit))


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9.-]+", "_", name.removesuffix(".parquet"))


def _number(unit: str) -> int:
    return int(unit.rpartition("-")[2])


def _file_of(sources: SourcesConfig, unit: str) -> str:
    return next(name for name in sources.files if _slug(name) == unit)
