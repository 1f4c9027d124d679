"""A real headless Chromium, for the tests of pages."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.system import install


def chromium() -> str:
    """Return the path of a Chromium, installed by apt where there is none and we may; else skip."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        with contextlib.suppress(AssertionError, subprocess.TimeoutExpired):
            install(["chromium", "fonts-dejavu-core"])
        found = shutil.which("chromium")
    if found is None:
        pytest.skip("needs Chromium, which is not here and cannot be installed (apt, as root)")
    return found


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless Chromium."""
    from playwright.sync_api import sync_playwright

    executable = chromium()
    with sync_playwright() as playwright:
        # As root Chromium refuses its own sandbox; it opens our own files only.
        started = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield started
        started.close()
