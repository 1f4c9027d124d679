"""A lock file that one process holds until it ends, however it ends."""

from __future__ import annotations

import os
from pathlib import Path

from filelock import FileLock, Timeout

from selfalign.core.errors import SelfalignError

# A lock is released when its object is collected.
_held: list[FileLock] = []


def hold_lock(path: str | Path) -> None:
    """Hold the lock file `path` until this process ends; its directory is made.

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
            "wait for it, or end it"
        ) from None
    path.write_text(f"{os.getpid()}\n", encoding="utf-8")
    _held.append(lock)
