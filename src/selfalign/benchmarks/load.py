"""Load a benchmark from an installed package, a local path or a download, and verify its checksum."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from selfalign.benchmarks.definition import DataFile, Definition, load_definition
from selfalign.benchmarks.records import Task, read_tasks
from selfalign.core.errors import DataError
from selfalign.core.hashing import file_sha256, json_sha256

GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class Benchmark:
    """A loaded benchmark.

    Attributes:
        definition: the benchmark's definition.
        version: version of the data.
        tasks: the tasks, in order.
        sha256: SHA-256 of the uncompressed data (of the list of hashes if there are several files).
        window: first and last day (ISO dates) that the tasks are limited to; None: all tasks.
    """

    definition: Definition
    version: str
    tasks: tuple[Task, ...]
    sha256: str
    window: tuple[str, str] | None = None

    @property
    def name(self) -> str:
        """Name in the configuration."""
        return self.definition.name

    @property
    def title(self) -> str:
        """Name and data version, for messages."""
        return f"{self.definition.title} {self.version}"

    def reference_solution(self, task: Task) -> str:
        """Return the published solution of a task as a whole program, as the tests expect it.

        Args:
            task: task of the benchmark.
        """
        joint = "\n" if self.definition.format == "evoeval" else ""
        return f"{task.beginning}{joint}{task.canonical_solution}"

    def by_id(self) -> dict[str, Task]:
        """Return the tasks by id."""
        return {task.id: task for task in self.tasks}


def load_benchmark(
    name: str,
    version: str | None = None,
    data: str | Path | None = None,
    *,
    window: tuple[str, str] | None = None,
) -> Benchmark:
    """Load a benchmark and verify its data.

    Args:
        name: name of the benchmark.
        version: version of the data; None: the definition's default.
        data: the data file, or a directory that holds it under the definition's file name (with or without
            ``.gz``). Not needed if an installed package holds the data.
        window: limit the tasks to those published from the first to the last day (ISO dates, both included).

    Raises:
        ConfigError: the benchmark or version does not exist.
        DataError: the data are missing, have no tasks, another checksum or number of tasks, or a record is incomplete.
    """
    definition = load_definition(name)
    version, entry = definition.version_named(version)
    if data is not None and len(entry.files) > 1 and Path(data).is_file():
        raise DataError(
            f"{definition.title} {version}: expected a directory with its {len(entry.files)} files", file=data
        )
    tasks: list[Task] = []
    hashes: list[str] = []
    for each in entry.files:
        path = locate(definition, version, each, data)
        hashes.append(check_content(path, each, f"{definition.title} {version}"))
        tasks += read_tasks(definition.format, path)
    if not tasks and definition.is_of_run:
        raise DataError(
            f"{definition.title}: expected at least one task, found none; dropped/{entry.files[0].file} beside it says why. "
            "Raise 'seeds.count', 'generation.responses.n' or 'curation.self_tests.share'",
            file=data,
        )
    if entry.tasks is not None and len(tasks) != entry.tasks:
        raise DataError(
            f"{definition.title} {version}: expected {entry.tasks} tasks, found {len(tasks)}", file=data
        )
    if window is not None:
        tasks = [task for task in tasks if window[0] <= _day(task, definition) <= window[1]]
        if not tasks:
            raise DataError(f"{definition.title} {version}: no task between {window[0]} and {window[1]}")
    _check_unique_ids(tasks, definition, version)
    sha256 = hashes[0] if len(hashes) == 1 else json_sha256(hashes)
    return Benchmark(definition, version, tuple(tasks), sha256, window)


def data_files(name: str, version: str | None, directory: str | Path) -> list[str]:
    """Return the paths of the data files to download; empty if an installed package holds the data.

    Args:
        name: name of the benchmark.
        version: version of the data; None: the definition's default.
        directory: download directory of this benchmark.

    Raises:
        ConfigError: the benchmark or version does not exist.
    """
    _, entry = load_definition(name).version_named(version)
    return [f"{directory}/{each.file}" for each in entry.files if each.package is None]


def locate(definition: Definition, version: str, entry: DataFile, data: str | Path | None) -> Path:
    """Return the path of one data file.

    Args:
        definition: the benchmark's definition.
        version: version of the data.
        entry: the data file.
        data: the file or its directory; None: the installed package.

    Raises:
        DataError: the file is missing; the message says how to get it.
    """
    what = f"{definition.title} {version}"
    if data is not None:
        path = Path(data)
        if path.is_dir():
            names = (entry.file, entry.file.removesuffix(".gz"))
            found = [path / name for name in names if (path / name).is_file()]
            if not found:
                raise DataError(f"{what}: expected {' or '.join(dict.fromkeys(names))} in it", file=path)
            return found[0]
        if not path.is_file():
            raise DataError(f"{what}: expected the data file, found no such file", file=path)
        return path
    if entry.package is not None:
        package, _, inner = entry.package.partition(":")
        try:
            return Path(str(files(package) / inner))
        except ModuleNotFoundError:
            raise DataError(f"{what}: the data come with the package '{package}'; install it") from None
    if entry.artifact is not None:
        raise DataError(f"{what}: no data; give the path of {entry.artifact} in the results of a run")
    raise DataError(f"{what}: no data; give the path of {entry.file}, published at {definition.source}")


def check_content(path: Path, entry: DataFile, what: str) -> str:
    """Verify a data file and return the SHA-256 of its uncompressed content.

    Args:
        path: the data file.
        entry: its definition with the expected checksum.
        what: name of the benchmark in messages.

    Raises:
        DataError: the file cannot be read, or its checksum differs.
    """
    digest = hashlib.sha256()
    try:
        with gzip.open(path, "rb") if _is_gzip(path) else path.open("rb") as handle:
            while block := handle.read(1 << 20):
                digest.update(block)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{what}: cannot be read ({error})", file=path) from None
    content = digest.hexdigest()
    if entry.archive_sha256:
        expected, found = entry.archive_sha256, file_sha256(path)
        of = f"of {entry.file} itself, as it is published"
    else:
        # The checksum of an artifact of the run, or of a file of the hub, is not known in advance.
        expected, found, of = entry.sha256 or content, content, "uncompressed"
    if found != expected:
        raise DataError(
            f"{what}: expected SHA-256 {expected} ({of}), found {found}; these are other data", file=path
        )
    return content


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as handle:
        return handle.read(len(GZIP)) == GZIP


def _day(task: Task, definition: Definition) -> str:
    date = task.record.get("contest_date")
    if date is None:
        raise DataError(f"{definition.title}: its tasks carry no date, so a window cannot be applied")
    return str(date)[:10]


def _check_unique_ids(tasks: list[Task], definition: Definition, version: str) -> None:
    seen: set[str] = set()
    for task in tasks:
        if task.id in seen:
            raise DataError(f"{definition.title} {version}: task {task.id} occurs twice")
        seen.add(task.id)
