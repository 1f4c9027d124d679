"""Install Debian packages that tests need, as root."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock


def install(packages: Sequence[str]) -> None:
    """Install packages with apt, one caller at a time: tests run in several processes.

    Raises:
        AssertionError: apt-get fails; the message has its output.
        subprocess.TimeoutExpired: apt-get takes too long.
    """
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with FileLock(Path(tempfile.gettempdir()) / "selfalign-tests-apt.lock"):
        for command in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *packages]):
            done = subprocess.run(
                ["apt-get", *command],
                check=False,
                capture_output=True,
                text=True,
                timeout=500,
                env=environment,
            )
            assert done.returncode == 0, (
                f"cannot install {' '.join(packages)}: apt-get {command[0]}: {done.stderr.strip()}"
            )
