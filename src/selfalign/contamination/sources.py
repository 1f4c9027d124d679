"""Benchmarks of the decontamination, and their data files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from selfalign.benchmarks import Benchmark, data_files, load_benchmark, load_definition
from selfalign.core.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Source:
    """A benchmark of the decontamination.

    Attributes:
        name: name of its definition.
        version: version of the data set, as in the definition.
        data: directory of its data files; None if an installed package has them.
    """

    name: str
    version: str
    data: str | None = None

    @property
    def files(self) -> list[str]:
        """The data files of the benchmark, without those of an installed package."""
        return [] if self.data is None else data_files(self.name, self.version, self.data)

    def to_json(self) -> dict[str, str | None]:
        """Return the keyword arguments of :class:`Source`, as a JSON object."""
        return asdict(self)


def find_sources(
    names: Iterable[str],
    directory: str | Path | None = None,
    *,
    known: Iterable[tuple[str, str | None]] = (),
    downloads: str | Path | None = None,
) -> list[Source]:
    """Return the sources of benchmarks, each version once.

    Args:
        names: benchmarks, as ``name`` or ``name@version``.
        directory: directory of the data files of all benchmarks; None to use `downloads`.
        known: name and version of further benchmarks; those that the run itself makes are left out.
        downloads: directory to which data files are downloaded, one subdirectory per benchmark.

    Raises:
        ConfigError: a benchmark or version does not exist, or the run itself makes the benchmark.
    """
    found: dict[tuple[str, str], Source] = {}
    named = [_split(name) for name in names]
    for name, _ in named:
        if load_definition(name).is_of_run:
            raise ConfigError(
                f"benchmark '{name}' is made of the rows of the run, which cannot be searched for it; expected a published "
                "benchmark"
            )
    for benchmark, version in (*known, *named):
        if load_definition(benchmark).is_of_run:
            continue
        name = load_definition(benchmark).data_name
        resolved, entry = load_definition(name).version_named(version)
        place = directory if directory is not None else downloads and f"{downloads}/{name}"
        packaged = all(each.package for each in entry.files)
        data = None if packaged or place is None else str(place)
        found.setdefault((name, resolved), Source(name, resolved, data))
    return list(found.values())


def load_sources(sources: Iterable[Source | Mapping[str, Any]]) -> list[Benchmark]:
    """Load benchmarks with all their tasks.

    Args:
        sources: the benchmarks, or their JSON objects.

    Raises:
        DataError: data files are missing or have another checksum.
    """
    loaded = []
    for each in sources:
        source = each if isinstance(each, Source) else Source(**each)
        loaded.append(load_benchmark(source.name, source.version, source.data))
    return loaded


def _split(name: str) -> tuple[str, str | None]:
    base, _, version = name.partition("@")
    return base, version or None
