"""The test server in a process of its own."""

from __future__ import annotations

import pytest
from tests import model_server


@pytest.fixture(scope="module")
def server():
    """The URL of a server without faults."""
    with model_server.running() as url:
        yield url
