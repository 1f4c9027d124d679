"""The runtime ``none``: limits, but no isolation. For programs that are trusted, or machines that are disposable."""

from __future__ import annotations

import logging
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from pathlib import Path

from selfalign.sandbox.interpreter import interpreter_image
from selfalign.sandbox.launch import GUEST, Launch, zygote_settings
from selfalign.sandbox.types import Limits

logger = logging.getLogger(__name__)


class Bare:
    """The zygote without a sandbox around it. Must be asked for by name."""

    name = "none"
    isolates = False

    def __init__(self) -> None:
        logger.warning(
            "runtime 'none': programs are NOT isolated; they run as this user, with its files and network"
        )

    def image(self) -> str:
        """Return the digest of the interpreter and its packages."""
        return interpreter_image()

    def launch(self, _most: Limits, /, warm: Sequence[str] = ()) -> Launch:
        """Return how to start one slot, with a directory of its own."""
        directory = Path(tempfile.mkdtemp(prefix="selfalign-"))
        environment = {
            "HOME": str(directory),
            "LANG": "C.UTF-8",
            "LD_BIND_NOW": "1",  # see the zygote
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONHASHSEED": "0",
            "PYTHONPATH": sysconfig.get_paths()["purelib"],
            "TMPDIR": str(directory),
        }
        settings = zygote_settings(uid=None, writable=[str(directory)], warm=warm)
        return Launch([sys.executable, "-sS", str(GUEST / "zygote.py"), settings], environment, directory)
