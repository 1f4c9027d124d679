"""Context of every job of a workflow: log, signals, and errors as one line."""

from __future__ import annotations

import contextlib
import logging
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import NoReturn

from selfalign.core.errors import SelfalignError, explain
from selfalign.core.host import host_line
from selfalign.core.process import (
    configure_logging,
    die_with_parent,
    ignore_modules_of_working_directory,
)

# Time to clean up after SIGTERM, in seconds; schedulers send SIGKILL after a grace period of their own.
GRACE_S = 15


@contextlib.contextmanager
def running_job(log: str | Path | None, level: str) -> Iterator[None]:
    """Run a job: configure its log, and turn expected errors into one line in the log and on standard error.

    The job ends with the workflow that started it, since an orphan would write to the files of the next run. On SIGTERM
    (sent by a scheduler on cancellation or preemption) it exits as from an exception, so completions that were received
    are still cached.

    Args:
        log: log file of the job; None for standard error.
        level: name of the lowest level to log.

    Raises:
        SystemExit: an error that the user can act on; its text is the line.
    """
    signal.signal(signal.SIGTERM, _end)
    die_with_parent()
    ignore_modules_of_working_directory()
    try:
        if log is not None:
            _write_host(Path(log))
        configure_logging(level, log)
        yield
    except SelfalignError as error:
        _fail(str(error))
    except Exception as error:
        if line := explain(error):
            _fail(line)
        logging.getLogger("selfalign").exception("internal error; please report it")
        raise


def _write_host(log: Path) -> None:
    """Write the line about this machine, whatever the log level: the provenance of a run lists its hosts."""
    try:
        with log.open("a", encoding="utf-8") as lines:
            print(host_line(), file=lines)
    except OSError as error:
        error.filename = str(log)  # a full disk does not say which file it was
        sys.exit(f"selfalign: error: {explain(error) or error}")


def _fail(line: str) -> NoReturn:
    logging.getLogger("selfalign").error("%s", line)
    sys.exit(f"selfalign: error: {line}")


def _end(number: int, _: FrameType | None) -> NoReturn:
    signal.signal(number, signal.SIG_IGN)  # sent again by each parent that ends
    signal.alarm(GRACE_S)  # after that, the kernel ends the process
    sys.exit(128 + number)
