"""Where seeds come from. A source is cut into units, each a fixed set of files and one shard of the stage.

Adding to a source adds units and leaves the others as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from selfalign.core.config.seeds import SourcesConfig
from selfalign.core.errors import ConfigError
from selfalign.core.jsonl import Record
from selfalign.seeds.source_file import SourceFile


def list_units(sources: SourcesConfig) -> list[str]:
    """Return the names of the source's units, in their order; names are fit for files.

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
    """Return the local files that decide a unit: what it is read from, unless a hub or a rule gives it; opt-outs."""
    from selfalign.seeds.sources.local import part_files

    if sources.kind == "jsonl":
        return [str(sources.path)]
    if sources.kind == "directory":
        return [str(path) for path in part_files(str(sources.path), sources.parts, _number(unit))]
    if sources.kind == "stack" and sources.opt_out:
        return [sources.opt_out]
    return []


def gives_seeds(sources: SourcesConfig) -> bool:
    """Whether the source's rows are seeds already, rather than files to take functions from."""
    return sources.kind in ("hub", "jsonl")


def open_files(sources: SourcesConfig, unit: str, wheel: str | Path | None = None) -> Iterator[SourceFile]:
    """Yield the source files of a unit, in a fixed order.

    Args:
        wheel: the fetched wheel of the unit, for kind packages.
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
    """Yield the rows of a unit of a source of seeds, with ``seed``, ``sha1`` and lineage."""
    from selfalign.seeds.sources import hub, local

    if sources.kind == "jsonl":
        return local.read_rows(str(sources.path))
    return hub.read_seeds(sources, _file_of(sources, unit))


def describe(sources: SourcesConfig) -> dict[str, Any]:
    """Return the configuration that decides what the units hold."""
    return sources.model_dump(exclude={"packages", "files"})


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9.-]+", "_", name.removesuffix(".parquet"))


def _number(unit: str) -> int:
    return int(unit.rpartition("-")[2])


def _file_of(sources: SourcesConfig, unit: str) -> str:
    return next(name for name in sources.files if _slug(name) == unit)
