"""The command line and the libraries in processes of their own, against a hub on this machine."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from tests.hub_server import running_hub


@pytest.fixture
def hub():
    with running_hub() as server:
        yield server


@pytest.fixture
def run(hub, tmp_path):
    """Run Python with the given arguments, as a user does whose hub that is; return the completed process."""

    def start(*arguments, token=None, **variables):
        environment = {**os.environ, **hub.environment(tmp_path / "hf", token=token), **variables}
        return subprocess.run(
            [sys.executable, *map(str, arguments)],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    return start


@pytest.fixture
def selfalign(run):
    def start(*arguments, **options):
        return run("-m", "selfalign", *arguments, **options)

    return start
