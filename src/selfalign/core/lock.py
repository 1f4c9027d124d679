"""Lock file that a process holds until it ends."""

from __future__ import annotations

import os
from pathlib import Path

from filelock import FileLock, Timeout

from selfalign.core.errors import SelfalignError

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
