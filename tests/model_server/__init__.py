"""A test double of an OpenAI-compatible model server, as a program: ``python -m tests.model_server --port P --model NAME``.

Tests and benchmarks that ask it directly start it with :func:`running`; those that want it started as the workflow
starts a server give :func:`command` to ``server: {kind: command, command: ...}``.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# By its path: working copies of the workflow hold no tests. The server itself imports nothing of selfalign.
PROGRAM = ["env", f"PYTHONPATH={ROOT}", sys.executable, "-m", "tests.model_server"]


def command(*arguments: object) -> list[str]:
    """Return the configuration's ``server.command`` that starts this server, with further `arguments` of its own."""
    placeholders = ["--host", "{host}", "--port", "{port}", "--checkpoint", "{model}", "--model", "{name}"]
    return [*PROGRAM, *placeholders, *map(str, arguments)]


@contextlib.contextmanager
def running(*arguments: object) -> Iterator[str]:
    """Run the server with the given `arguments`; give its base URL, and end it with the block."""
    with subprocess.Popen([*PROGRAM, *map(str, arguments)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[-1]
        finally:
            process.terminate()
