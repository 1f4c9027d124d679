"""The filter killed in the middle: nothing of it runs on, and a rerun ends with the bytes of one that was not."""

import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import psutil

from selfalign.core.jsonl import write_jsonl

# Long enough to be interrupted, each another program, so that every one is executed.
ROWS = [
    {"response": f"text\n\n```python\nimport time\ntime.sleep(0.02)\nassert {n} % 7, {n}\n```\n"}
    for n in range(300)
]


def command(directory: Path, name: str) -> list[str]:
    paths = [str(directory / "in.jsonl"), str(directory / f"{name}.rows")]
    files = ["--verdicts", str(directory / f"{name}.verdicts"), "--cache", str(directory / f"{name}.cache")]
    return [sys.executable, "-m", "selfalign", "execute", "--runtime", "bubblewrap", *paths, *files]


def known(cache: Path) -> int:
    """How many verdicts are in the cache."""
    with sqlite3.connect(f"file:{cache}?mode=ro", uri=True) as database:
        (table,) = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchone()
        return database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def test_killed_in_the_middle_it_leaves_nothing_and_goes_on(tmp_path):
    write_jsonl(tmp_path / "in.jsonl", ROWS)
    subprocess.run(command(tmp_path, "whole"), check=True, capture_output=True)

    process = subprocess.Popen(
        command(tmp_path, "killed"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    cache, deadline, before = tmp_path / "killed.cache", time.monotonic() + 60, 0
    while before < 50 and time.monotonic() < deadline:
        assert process.poll() is None, "it is still at work"
        time.sleep(0.02)
        before = known(cache) if cache.exists() and cache.stat().st_size else 0
    below = psutil.Process(process.pid).children(recursive=True)
    assert len(below) >= 2
    process.kill()
    process.wait()
    _, alive = psutil.wait_procs(below, timeout=10)
    assert alive == []
    assert not (tmp_path / "killed.rows").exists()
    before = known(cache)
    assert 50 <= before < len(ROWS)

    subprocess.run(command(tmp_path, "killed"), check=True, capture_output=True)
    assert known(cache) == len(ROWS)
    for kind in ("rows", "verdicts"):
        assert (tmp_path / f"killed.{kind}").read_bytes() == (tmp_path / f"whole.{kind}").read_bytes()
