"""The benchmarks to look for: which, and where their data lie."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from selfalign.benchmarks import Benchmark, load_benchmark, load_definition
from selfalign.benchmarks.definition import DataFile


@dataclass(frozen=True, slots=True)
class Source:
    """A benchmark to look for.

    Attributes:
        name: of its definition.
        version: of the data set, as the definition calls it.
        data: data file, or directory of data files; None: an installed package holds them.
    """

    name: str
    version: str
    data: str | None = None

    @property
    def files(self) -> list[str]:
        """The data files that loading it reads, apart from those of an installed package."""
        if self.data is None:
            return []
        if Path(self.data).is_file():
            return [self.data]
        return [str(_in_directory(Path(self.data), each)) for each in _files(self.name, self.version)]

    def to_json(self) -> dict[str, str | None]:
        """Return it as a parameter of a rule; ``Source(**value)`` is the way back."""
        return asdict(self)


def find_sources(
    names: Iterable[str],
    directory: str | Path | None = None,
    *,
    known: Iterable[tuple[str, str | None, str | None]] = (),
    downloads: str | Path | None = None,
) -> list[Source]:
    """Return the benchmarks called `names` and those already `known`, each version once, with their data's place.

    Args:
        names: ``name`` or ``name@version``.
        directory: where data files may lie.
        known: name, version and configured data of benchmarks that are looked for too.
        downloads: where the data are downloaded to (below ``<name>/``) if they are nowhere else.

    Raises:
        ConfigError: no such benchmark or version.
    """
    wanted = [(*_split(each), None) for each in names]
    found: dict[tuple[str, str], Source] = {}
    for name, version, local in (*known, *wanted):
        resolved, _ = load_definition(name).version_named(version)
        place = local or _place(name, resolved, directory, downloads)
        found.setdefault((name, resolved), Source(name, resolved, place))
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


def _place(name: str, version: str, directory: str | Path | None, downloads: str | Path | None) -> str | None:
    files = _files(name, version)
    if all(each.package for each in files):
        return None
    held = directory is not None and all(_in_directory(Path(directory), each).is_file() for each in files)
    if held or downloads is None:
        return None if directory is None else str(directory)
    return f"{downloads}/{name}"


def _files(name: str, version: str) -> list[DataFile]:
    return load_definition(name).version_named(version)[1].files


def _in_directory(directory: Path, entry: DataFile) -> Path:
    """Return the path of a data file, which may lie unpacked."""
    unpacked = directory / entry.file.removesuffix(".gz")
    return unpacked if unpacked.is_file() else directory / entry.file
