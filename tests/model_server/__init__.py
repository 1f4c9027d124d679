"""A test double of an OpenAI-compatible model server, as a program: ``python -m tests.model_server --port P --model NAME``.

Tests and benchmarks that send it requests directly start it with :func:`running`. To have the workflow start it, configure
``server: {kind: command, command: ...}`` with :func:`command`.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# By its path, since copies of the workflow do not contain the tests. The server does not import selfalign.
PROGRAM = ["env", f"PYTHONPATH={ROOT}", sys.executable, "-m", "tests.model_server"]


def command(*arguments: object) -> list[str]:
    """Return the value of ``server.command`` that starts this server with additional `arguments`."""
    placeholders = ["--host", "{host}", "--port", "{port}", "--checkpoint", "{model}", "--model", "{name}"]
    return [*PROGRAM, *placeholders, *map(str, arguments)]


@contextlib.contextmanager
def running(*arguments: object) -> Iterator[str]:
    """Run the server with `arguments`, and yield its base URL; it is stopped after the block."""
    with subprocess.Popen([*PROGRAM, *map(str, arguments)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[-1]
        finally:
            process.terminate()
