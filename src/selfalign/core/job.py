"""What every job of a workflow does around its work: its log, its end, and errors as one line."""

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
from selfalign.core.lifetime import die_with_parent
from selfalign.core.logs import configure_logging

# Time to put away what a job holds when it is told to end (s): schedulers kill after their own while.
GRACE_S = 15


@contextlib.contextmanager
def running_job(log: str | Path | None, level: str) -> Iterator[None]:
    """Log to `log`, or to standard error; end the process with one line, there and on screen, for errors of ours.

    The job also ends when the workflow that started it is killed: an orphan would go on writing beside
    the next run. Told to end (by a scheduler: cancelled, pre-empted), it first caches what it was answered.

    Raises:
        SystemExit: an error that is the user's or the world's; its text is the line.
    """
    signal.signal(signal.SIGTERM, _end)
    die_with_parent()
    if log is not None:
        # Whatever the level of the log: the run's provenance names the machines.
        with Path(log).open("a", encoding="utf-8") as lines:
            print(host_line(), file=lines)
    configure_logging(level, log)
    try:
        yield
    except SelfalignError as error:
        _fail(str(error))
    except Exception as error:
        if line := explain(error):
            _fail(line)
        logging.getLogger("selfalign").exception("a defect of selfalign, please report it")
        raise


def _fail(line: str) -> NoReturn:
    logging.getLogger("selfalign").error("%s", line)
    sys.exit(f"selfalign: error: {line}")


def _end(number: int, _: FrameType | None) -> NoReturn:
    signal.signal(number, signal.SIG_IGN)  # said again by each parent that ends
    signal.alarm(GRACE_S)  # then the kernel ends us
    sys.exit(128 + number)
