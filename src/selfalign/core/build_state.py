"""State of the builds in a directory: their lock, and the outputs that interrupted or failed builds did not make.

Snakemake removes the old output of a job before the job starts, and makes a missing file only if something needs it. After
a changed configuration and a job that failed or was killed, files made from that job's old output would therefore look up
to date to the next build. The outputs that a build plans are recorded here, so that the next build finds them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from filelock import FileLock, Timeout

from selfalign.core.errors import SelfalignError
from selfalign.core.jsonl import read_json, write_json

# A lock is released when its object is garbage-collected.
_held: list[FileLock] = []


def hold_lock(path: str | Path) -> None:
    """Acquire a lock file until this process ends.

    Args:
        path: the lock file; its directory is created.

    Raises:
        SelfalignError: another process holds it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        holder = path.read_text(encoding="utf-8").strip() or "unknown"
        raise SelfalignError(
            f"'{path}' is held by process {holder}: another build is running in this directory; "
            "wait for it, or stop it"
        ) from None
    path.write_text(f"{os.getpid()}\n", encoding="utf-8")
    _held.append(lock)


class InterruptedOutputs:
    """The record of planned outputs.

    Args:
        path: JSON file of paths; its modification time is that of the last build's plan.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)

    def plan(self, paths: Iterable[str]) -> None:
        """Record the outputs that a build is about to make, in addition to outstanding ones.

        Args:
            paths: the planned outputs.
        """
        write_json(self._path, sorted({*self._outstanding(), *paths}))

    def outdated(self) -> list[str]:
        """Return the existing outputs that should have been made again, if another outstanding one is missing."""
        outstanding = self._outstanding()
        existing = [each for each in outstanding if Path(each).exists()]
        return existing if len(existing) < len(outstanding) else []

    def finish(self) -> None:
        """Forget the outputs that have been made."""
        outstanding = self._outstanding()
        if all(Path(each).exists() for each in outstanding):
            self._path.unlink(missing_ok=True)
        else:
            write_json(self._path, outstanding)

    def _outstanding(self) -> list[str]:
        """Return the recorded outputs that are missing, or older than the plan."""
        if not self._path.exists():
            return []
        planned = self._path.stat().st_mtime_ns
        return [each for each in read_json(self._path) if not _made_after(Path(each), planned)]


def _made_after(path: Path, moment: int) -> bool:
    return path.exists() and path.stat().st_mtime_ns > moment
