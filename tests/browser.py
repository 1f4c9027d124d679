"""A real headless Chromium, for the tests of pages."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from tests.system import install


def chromium() -> str:
    """Return the path of a Chromium, installed with apt on Debian if there is none; skip elsewhere and without root."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found:
        return found
    if os.geteuid() != 0 or platform.freedesktop_os_release()["ID"] != "debian":
        pytest.skip("needs Chromium: install it, or run `make test` as root on Debian, which installs it")
    install(["chromium", "fonts-dejavu-core"])
    return "/usr/bin/chromium"


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
