"""Fixtures that every part of the tests uses."""

from __future__ import annotations

import compileall
import contextlib
import fcntl
import gzip
import hashlib
import logging
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from selfalign.benchmarks.definition import Version, load_definition
from selfalign.core.jsonl import dumps
from tests import model_server
from tests.browser import browser
from tests.scripted_server import ScriptedServer

# One for the whole session: Playwright cannot be started twice.
__all__ = ["browser"]

ROOT = Path(__file__).resolve().parent.parent

# The markers of tests that `make test` leaves out, and the target that runs them.
LEFT_OUT = {
    "published": "make published",
    "soak": "make soak",
    "engine": "make soak",
    "ds1000": "make ds1000",
}
LEFT_OUT_COUNTS = pytest.StashKey[dict[str, int]]()


def pytest_configure(config: pytest.Config) -> None:
    """Compile the library once: the processes that the tests start write no bytecode of their own."""
    if not hasattr(config, "workerinput"):
        compileall.compile_dir(ROOT / "src/selfalign", quiet=1)


def pytest_deselected(items: list[pytest.Item]) -> None:
    """Count the deselected tests by what leaves them out."""
    for item in items:
        counts = item.config.stash.setdefault(LEFT_OUT_COUNTS, {})
        for marker in LEFT_OUT:
            if item.get_closest_marker(marker):
                counts[marker] = counts.get(marker, 0) + 1
                break


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand the counts of a worker of pytest-xdist over: the main process collects nothing itself."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = session.config.stash.get(LEFT_OUT_COUNTS, {})


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node) -> None:
    """Take the counts of a worker: each has collected, and left out, the same."""
    if counts := getattr(node, "workeroutput", {}).get("left_out"):
        node.config.stash[LEFT_OUT_COUNTS] = counts


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter, config: pytest.Config):
    """Say in the last lines what was not run, and why."""
    result = yield
    counts = config.stash.get(LEFT_OUT_COUNTS, {})
    lines = [
        f"{counts[marker]} marked '{marker}': `{target}` runs them"
        for marker, target in LEFT_OUT.items()
        if marker in counts
    ]
    skipped = Counter(_reason(report) for report in terminalreporter.stats.get("skipped", []))
    lines += [f"{count} skipped: {reason}" for reason, count in sorted(skipped.items())]
    if lines:
        terminalreporter.section("tests that were not run")
        for line in lines:
            terminalreporter.line(line)
    return result


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item):
    """Fail a skipped test that holds us to the reference."""
    report = yield
    if report.skipped and item.get_closest_marker("faithful"):
        report.outcome = "failed"
        report.longrepr = (
            f"{item.nodeid}: it holds us to the reference (marker 'faithful') and may not be skipped; "
            f"it was: {_reason(report)}"
        )
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report(collector: pytest.Collector):
    """Fail a skipped module: nobody knows what it would have tested, nor how much."""
    report = yield
    if report.skipped:
        report.outcome = "failed"
        report.longrepr = (
            f"{collector.nodeid}: skip its tests, not the module; it was skipped: {_reason(report)}"
        )
    return report


def _reason(report: pytest.CollectReport | pytest.TestReport) -> str:
    """Return why a test was skipped, or is expected to fail."""
    if hasattr(report, "wasxfail"):
        return f"expected to fail: {report.wasxfail}"
    said = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return said.removeprefix("Skipped: ").removeprefix("not run: ")


@pytest.fixture(autouse=True)
def _root_logger():
    """Give the root logger its handlers back: a command's writes to a standard error that ends with its test."""
    logger = logging.getLogger()
    handlers, level = logger.handlers[:], logger.level
    yield
    logger.handlers[:], logger.level = handlers, level


@pytest.fixture(scope="session")
def root() -> Path:
    """The top of the repository."""
    return ROOT


def _downloaded(path: Path) -> Path:
    if not path.is_file():
        pytest.fail(f"{path.relative_to(ROOT)} is missing; `make published` downloads it", pytrace=False)
    return path


@pytest.fixture(scope="session")
def published_data() -> Callable[[str, str], Path]:
    """A function that returns the directory of a benchmark's published data, by name and version."""

    def directory(name: str, version: str) -> Path:
        path = ROOT / "resources/benchmarks" / name
        for each in load_definition(name).version_named(version)[1].files:
            _downloaded(path / each.file)
        return path

    return directory


@pytest.fixture(scope="session")
def published_file() -> Callable[[str], Path]:
    """A function that returns a file of published answers or verdicts, by its name."""
    return lambda name: _downloaded(ROOT / "resources/published" / name)


@pytest.fixture
def own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str, list[dict]], Path]:
    """A function that puts records of our own in the place of a benchmark's published data.

    It takes the name, the version and the records, pins their checksum and number in the definition for this test, and
    returns the directory of the data file.
    """

    def pin(name: str, version: str, records: list[dict]) -> Path:
        definition = load_definition(name)
        (published,) = definition.versions[version].files
        content = "".join(f"{dumps(record)}\n" for record in records).encode()
        directory = tmp_path / "benchmarks" / name
        directory.mkdir(parents=True, exist_ok=True)
        (directory / published.file).write_bytes(gzip.compress(content))
        own = published.model_copy(
            update={"sha256": hashlib.sha256(content).hexdigest(), "archive_sha256": None}
        )
        monkeypatch.setitem(definition.versions, version, Version(files=[own], tasks=len(records)))
        return directory

    return pin


@pytest.fixture(scope="session")
def embedded_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded model's GGUF: the build's download where there is one, else downloaded now."""
    from selfalign.model.embedded import fetch_gguf

    downloaded = ROOT / "resources/models/SmolLM2-135M-Instruct.Q4_1.gguf"
    if downloaded.exists():
        return downloaded
    path = tmp_path_factory.mktemp("gguf") / downloaded.name
    fetch_gguf(path)
    return path


@pytest.fixture(scope="session")
def embedded_checkpoint(embedded_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded model as a checkpoint directory, converted once a session."""
    from selfalign.model.embedded import convert_gguf

    out = tmp_path_factory.mktemp("checkpoint") / "base"
    convert_gguf(embedded_gguf, out)
    return out


@pytest.fixture
def start_double():
    """A function that starts the test server with the given arguments and returns its URL."""
    with contextlib.ExitStack() as stack:
        yield lambda *arguments: stack.enter_context(model_server.running(*arguments))


@pytest.fixture
def cached(tmp_path: Path):
    """A function that runs a job that asks a model, twice: the second time with a server that must not be started.

    The job gets a configuration and the model's checkpoint, and returns the paths of its outputs.
    """
    from selfalign.core.config import load_config
    from tests.tiny import write_tiny_checkpoint

    def run_twice(job: Callable[..., list[Path]], **sections: Any) -> None:
        write_tiny_checkpoint(tmp_path / "model/base")
        trace = tmp_path / "started"
        note = ["sh", "-c", f'echo >> {trace}; exec "$@"', "sh"]
        found = []
        for command in ([*note, *model_server.command()], [*note, "false", "{model}", "{port}"]):
            sections |= {
                "paths": {"results": str(tmp_path / "results"), "completion_cache": str(tmp_path / "cache")},
                "server": {"kind": "command", "command": command, "lifetime": "job"},
            }
            outputs = job(load_config(sections), tmp_path / "model/base")
            found.append([path.read_bytes() for path in outputs])
            for path in outputs:
                path.unlink()
            assert trace.read_text() == "\n", "one server, of the first run"
        assert found[0] == found[1]
        assert all(found[0])

    return run_twice


@pytest.fixture
def scripted_server():
    """A function that starts a server which answers as a given function says; see :class:`ScriptedServer`."""
    with contextlib.ExitStack() as stack:
        yield lambda reply: stack.enter_context(ScriptedServer(reply))


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, worker_id: str):
    """A tiny build against the test server that ran to its end, seeds to report. Not to be changed.

    The first worker of pytest-xdist that needs it builds it; the others wait, and each has a copy.
    """
    from tests.tiny import write_tiny_checkpoint
    from tests.workflow.harness import Build, tiny_config, working_copy

    own = tmp_path_factory.getbasetemp()
    shared = own if worker_id == "master" else own.parent
    directory, ended = shared / "finished", shared / "finished.ended"
    build = Build(directory, tiny_config())
    with (shared / "finished.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ended.exists():
            shutil.rmtree(directory, ignore_errors=True)
            directory.mkdir()
            working_copy(directory)
            write_tiny_checkpoint(directory / "tiny-model")
            done = build.snakemake()
            assert done.returncode == 0, done.stdout[-6000:]
            ended.touch()
    return build.copy(tmp_path_factory.mktemp("workflow") / "copy")
