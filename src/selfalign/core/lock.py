"""A lock on a directory that ends with its holder, however that dies."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import TextIO

from selfalign.core.errors import SelfalignError

_held: list[TextIO] = []


def hold_lock(path: str | Path) -> None:
    """Hold the lock file `path` until this process ends.

    Raises:
        SelfalignError: another process holds it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = path.open("a+")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.seek(0)
        raise SelfalignError(
            f"'{path}' is held by process {handle.read().strip() or 'unknown'}: another build is at work in this "
            "directory; wait for it, or end it"
        ) from None
    handle.truncate(0)
    handle.write(f"{os.getpid()}\n")
    handle.flush()
    _held.append(handle)
