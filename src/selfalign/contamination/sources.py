"""The benchmarks to look for: which, and where their data lie."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from selfalign.benchmarks import Benchmark, data_files, load_benchmark, load_definition


@dataclass(frozen=True, slots=True)
class Source:
    """A benchmark to look for.

    Attributes:
        name: of its definition.
        version: of the data set, as the definition calls it.
        data: directory of its data files; None: an installed package holds them.
    """

    name: str
    version: str
    data: str | None = None

    @property
    def files(self) -> list[str]:
        """The data files that loading it reads, apart from those of an installed package."""
        return [] if self.data is None else data_files(self.name, self.version, self.data)

    def to_json(self) -> dict[str, str | None]:
        """Return it as a parameter of a rule; ``Source(**value)`` is the way back."""
        return asdict(self)


def find_sources(
    names: Iterable[str],
    directory: str | Path | None = None,
    *,
    known: Iterable[tuple[str, str | None]] = (),
    downloads: str | Path | None = None,
) -> list[Source]:
    """Return the benchmarks called `names` and those already `known`, each version once.

    Args:
        names: ``name`` or ``name@version``.
        directory: where the data files of all of them lie.
        known: name and version of benchmarks that are looked for too.
        downloads: where the data are downloaded to (below ``<name>/``), without `directory`.

    Raises:
        ConfigError: no such benchmark or version.
    """
    found: dict[tuple[str, str], Source] = {}
    for name, version in (*known, *map(_split, names)):
        resolved, entry = load_definition(name).version_named(version)
        place = directory if directory is not None else downloads and f"{downloads}/{name}"
        packaged = all(each.package for each in entry.files)
        data = None if packaged or place is None else str(place)
        found.setdefault((name, resolved), Source(name, resolved, data))
    return list(found.values())


def load_sources(sources: Iterable[Source | Mapping[str, str | None]]) -> list[Benchmark]:
    """Load benchmarks with all of their tasks.

    Raises:
        DataError: the data of one are missing or are others.
    """
    loaded = []
    for each in sources:
        source = each if isinstance(each, Source) else Source(**each)  # pyright: ignore[reportArgumentType]
        loaded.append(load_benchmark(source.name, source.version, source.data))
    return loaded


def _split(name: str) -> tuple[str, str | None]:
    base, _, version = name.partition("@")
    return base, version or None
