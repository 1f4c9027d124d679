"""The guard of a server: runs a command, and stops it with all its processes once its owner is gone.

    python -m selfalign.serving.guard CLEANUP COMMAND ...

Standard input is a pipe whose other end the owner holds and never writes to. The kernel closes it when the owner ends,
by SIGKILL or the out-of-memory killer too, so a server cannot outlive the workflow. A death signal (PR_SET_PDEATHSIG)
from owner to server would not do: it reaches the server's first process only, not the workers that it starts.

CLEANUP is a JSON list: a command to run after the server has ended, such as the removal of its container; may be empty.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import NoReturn

import psutil

from selfalign.core.process import die_with_parent

# How long processes may take to end after SIGTERM, in seconds; then they are killed.
STOP_GRACE_S = 10.0
# How long the cleanup command may take, in seconds.
CLEANUP_TIMEOUT_S = 60.0
# How often the guard looks whether the server still runs, in seconds.
POLL_S = 0.25
# Exit status where the command cannot be started, as of a shell.
CANNOT_START = 127

PR_SET_CHILD_SUBREAPER = 36


def guard(command: Sequence[str], cleanup: Sequence[str]) -> int:
    """Run `command` until it ends or standard input is closed; return its exit status (128 + N for signal N).

    Args:
        command: program and arguments.
        cleanup: command to run after the server has ended; empty for none.
    """
    # Processes whose parent ended become children of this one, so that none escapes `stop_descendants`.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    try:
        server = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            # Should the guard itself be killed, the server goes too; the owner kills the rest of its process group.
            preexec_fn=lambda: die_with_parent(signal.SIGKILL),  # noqa: PLW1509 (the guard has no threads)
        )
    except OSError as error:
        print(f"cannot start '{command[0]}': {error.strerror or error}", file=sys.stderr)
        return CANNOT_START
    try:
        while server.poll() is None and not select.select([sys.stdin], [], [], POLL_S)[0]:
            pass
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        stop_descendants()
        run_cleanup(cleanup)
    status = server.wait()
    return status if status >= 0 else 128 - status


def stop_descendants() -> None:
    """End all processes that this one has started, directly or not: by SIGTERM, after a grace period by SIGKILL."""
    family = psutil.Process().children(recursive=True)
    _signal_each(family, signal.SIGTERM)
    _, alive = psutil.wait_procs(family, timeout=STOP_GRACE_S)
    # Those that were started in the meantime as well.
    family = list({*alive, *psutil.Process().children(recursive=True)})
    _signal_each(family, signal.SIGKILL)
    psutil.wait_procs(family, timeout=STOP_GRACE_S)


def run_cleanup(command: Sequence[str]) -> None:
    """Run a cleanup command; its failure is ignored, since usually nothing is left to remove.

    Args:
        command: program and arguments; empty for none.
    """
    if command:
        with contextlib.suppress(subprocess.TimeoutExpired, OSError):
            subprocess.run(command, check=False, capture_output=True, timeout=CLEANUP_TIMEOUT_S)


def _signal_each(processes: Sequence[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def _end(number: int, _: object) -> NoReturn:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _end)
    sys.exit(guard(sys.argv[2:], json.loads(sys.argv[1])))
