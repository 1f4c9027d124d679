"""Set-up of a process: logging, and its end together with its parent."""

from __future__ import annotations

import ctypes
import logging
import os
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


def ignore_modules_of_working_directory() -> None:
    """Have Python processes that this one starts import no modules from the working directory.

    Python prepends it to the import path of ``python -m`` and ``python -c``, so that a file called ``random.py`` there
    would break workers, jobs on a cluster, pip and the training.
    """
    os.environ["PYTHONSAFEPATH"] = "1"


def clean_environment(home: str | Path) -> dict[str, str]:
    """Return the environment of a tool whose result must not depend on the user's shell or files.

    Args:
        home: directory in the place of the user's home.
    """
    # What finds shared libraries and places temporary files; nothing that chooses interpreters, packages or settings.
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "TMPDIR") if name in os.environ}
    system = {"HOME": str(home), "LANG": "C.UTF-8", "PATH": os.defpath, "PYTHONSAFEPATH": "1"}
    return {**kept, **system}


class LogFile(logging.FileHandler):
    """A log file. If it cannot be written, such as on a full disk, the job goes on and reports it once on standard error."""

    _reported = False

    def handleError(self, record: logging.LogRecord) -> None:
        """Report an error of the file system in one line; leave any other to the base class.

        Args:
            record: the line that could not be written.
        """
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
        elif not self._reported:
            self._reported = True
            print(
                f"selfalign: warning: {self.baseFilename}: {error.strerror}; lines are missing in this log",
                file=sys.stderr,
            )


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
        handler = LogFile(file, encoding="utf-8")
    handler.setFormatter(logging.Formatter(LOG_FORMAT))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for noisy in ("httpx", "httpx2", "httpcore", "httpcore2", "openai", "urllib3", "filelock"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
