"""What every rule script shares: its log file, its configuration, and errors as one line."""

import contextlib
import ctypes
import importlib.util
import logging
import os
import signal
import sys
from pathlib import Path

SOURCES = str(Path(__file__).resolve().parents[1] / "src")
if SOURCES not in sys.path and importlib.util.find_spec("selfalign") is None:
    # In a container or conda environment of the rules, which hold what we need but not ourselves.
    sys.path.append(SOURCES)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [SOURCES, os.environ.get("PYTHONPATH")]))

from selfalign.core.config import Config, load_config
from selfalign.core.errors import SelfalignError, explain
from selfalign.core.host import host_line
from selfalign.core.logs import configure_logging

PR_SET_PDEATHSIG = 1
# Time to put away what a job holds when it is told to end (s): schedulers kill after their own while.
GRACE_S = 15


@contextlib.contextmanager
def job(snakemake):
    """Log to the rule's log file; end the job with one line, in the log and on screen, for errors of ours.

    The job also ends when the workflow that started it is killed: an orphan would go on writing beside
    the next run. Told to end (by a scheduler: cancelled, pre-empted), it first journals what it was answered.
    """
    signal.signal(signal.SIGTERM, _end)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if snakemake.log:
        # Whatever the level of the log: the run's provenance names the machines.
        with open(snakemake.log[0], "a", encoding="utf-8") as log:  # noqa: PTH123
            print(host_line(), file=log)
    configure_logging(snakemake.config.get("log_level", "INFO"), snakemake.log[0] if snakemake.log else None)
    try:
        yield
    except SelfalignError as error:
        logging.getLogger("selfalign").error("%s", error)
        sys.exit(f"selfalign: error: {error}")
    except Exception as error:
        if line := explain(error):
            logging.getLogger("selfalign").error("%s", line)
            sys.exit(f"selfalign: error: {line}")
        logging.getLogger("selfalign").exception("a defect of selfalign, please report it")
        raise


def _end(number, _frame):
    signal.signal(number, signal.SIG_IGN)  # said again by each parent that ends
    signal.alarm(GRACE_S)  # then the kernel ends us
    sys.exit(128 + number)


def whole_config(snakemake) -> Config:
    """Return the validated configuration of the workflow."""
    return load_config(snakemake.config)
