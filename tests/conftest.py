"""Fixtures that every part of the tests uses."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest

from tests.browser import browser
from tests.scripted_server import ScriptedServer

# One for the whole session: Playwright cannot be started twice.
__all__ = ["browser"]

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def root() -> Path:
    """The top of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """Reference outputs and published data; tests that need them say so where they are absent."""
    path = ROOT.parent / "shared"
    if not path.is_dir():
        pytest.skip("needs the reference outputs (config key paths.shared), which are not on this machine")
    return path


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
    """A function that starts a double with the given arguments and returns its URL."""
    with contextlib.ExitStack() as stack:

        def start(*arguments):
            command = [sys.executable, "-m", "selfalign.serving.double", *map(str, arguments)]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            stack.callback(process.wait)
            stack.callback(process.terminate)
            assert process.stdout is not None
            stack.enter_context(process.stdout)
            return process.stdout.readline().split()[-1]

        yield start


@pytest.fixture
def scripted_server():
    """A function that starts a server which answers as a given function says; see :class:`ScriptedServer`."""
    with contextlib.ExitStack() as stack:
        yield lambda reply: stack.enter_context(ScriptedServer(reply))


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory):
    """A tiny build against the test double that ran to its end, seeds to report. Not to be changed."""
    from tests.tiny import write_tiny_checkpoint
    from tests.workflow.harness import Build, tiny_config, working_copy

    directory = working_copy(tmp_path_factory.mktemp("workflow"))
    write_tiny_checkpoint(directory / "tiny-model")
    build = Build(directory, tiny_config())
    done = build.snakemake()
    assert done.returncode == 0, done.stdout[-6000:]
    return build
