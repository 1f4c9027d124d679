"""The benchmarks to look for, by name."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from selfalign.benchmarks import Benchmark, load_benchmark, load_definition


def benchmarks_named(names: Iterable[str], data: str | Path | None = None) -> list[Benchmark]:
    """Load benchmarks to look for, with all of their tasks.

    Args:
        names: ``name`` or ``name@version``.
        data: data file, or directory of data files, of those that no installed package holds.

    Raises:
        ConfigError: no such benchmark or version.
        DataError: its data are missing or are others.
    """
    loaded = []
    for each in names:
        name, _, version = each.partition("@")
        packaged = is_packaged(name, version or None)
        loaded.append(load_benchmark(name, version or None, None if packaged else data))
    return loaded


def is_packaged(name: str, version: str | None = None) -> bool:
    """Tell whether the data of a benchmark come with an installed package."""
    _, entry = load_definition(name).version_named(version)
    return all(each.package for each in entry.files)
