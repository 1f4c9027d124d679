from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

LOCK = Path(__file__).parents[2] / "envs" / "sources.lock"


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages of the reference's seeds, unpacked from their pinned wheels."""
    directory = tmp_path_factory.mktemp("packages")
    pins = [line for line in LOCK.read_text().splitlines() if line.startswith(("boltons", "toolz", "more"))]
    requirements = directory / "requirements.txt"
    requirements.write_text("\n".join(pins))
    wheels = directory / "wheels"
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:"]
    done = subprocess.run(
        [*command, "--require-hashes", "-r", requirements, "-d", wheels],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.fail(
            "the pinned wheels of these tests cannot be downloaded from the package index; they need a network "
            f"or pip's settings for one. pip says:\n{done.stderr.strip()}",
            pytrace=False,
        )
    for wheel in wheels.glob("*.whl"):
        zipfile.ZipFile(wheel).extractall(directory / "tree")
    return directory / "tree"
