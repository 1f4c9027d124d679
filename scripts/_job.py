"""What every rule script shares: its log file, its configuration, and errors as one line."""

import contextlib
import ctypes
import logging
import signal
import sys

from selfalign.core.config import Config, load_config
from selfalign.core.errors import SelfalignError, explain
from selfalign.core.logs import configure_logging

PR_SET_PDEATHSIG = 1


@contextlib.contextmanager
def job(snakemake):
    """Log to the rule's log file; end the job with one line, in the log and on screen, for errors of ours.

    The job also ends when the workflow that started it is killed: an orphan would go on writing beside
    the next run.
    """
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
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


def whole_config(snakemake) -> Config:
    """Return the validated configuration of the workflow."""
    return load_config(snakemake.config)
