"""Set-up of a process: logging, and its end together with its parent."""

from __future__ import annotations

import ctypes
import logging
import signal
import sys
from pathlib import Path

LOG_FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
PR_SET_PDEATHSIG = 1


def die_with_parent(number: signal.Signals = signal.SIGTERM) -> None:
    """Have the kernel signal this process when the thread of its parent that started it ends (Linux, prctl(2)).

    Args:
        number: the signal.
    """
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)


def configure_logging(level: str = "INFO", file: str | Path | None = None) -> None:
    """Configure the root logger.

    Args:
        level: name of the lowest level to log, in any case.
        file: log file to append to; None for standard error.
    """
    handler: logging.Handler
    if file is None:
        handler = logging.StreamHandler(sys.stderr)
    else:
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(file, encoding="utf-8")
    handler.setFormatter(logging.Formatter(LOG_FORMAT))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for noisy in ("httpx", "httpx2", "httpcore", "httpcore2", "openai", "urllib3", "filelock"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
