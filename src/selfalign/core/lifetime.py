"""How long a process lives: not longer than what it works for."""

from __future__ import annotations

import ctypes
import signal

PR_SET_PDEATHSIG = 1


def die_with_parent(number: signal.Signals = signal.SIGTERM) -> None:
    """Have this process sent signal `number` when its parent's thread that started it ends (prctl(2); Linux)."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)
