"""Checkpoints to resume from, and detection of incomplete ones.

The Trainer writes a checkpoint file by file. When all files are written, a list of their sizes is added atomically. A
checkpoint without the list, or with other sizes, is incomplete.
"""

from __future__ import annotations

import logging
import re
import shutil
from pathlib import Path

from selfalign.core.errors import DataError
from selfalign.core.jsonl import read_json, write_json

logger = logging.getLogger(__name__)
LIST = "whole.json"


def seal(checkpoint: Path) -> None:
    """Record the files of a finished checkpoint and their sizes in bytes.

    Args:
        checkpoint: checkpoint directory.
    """
    write_json(checkpoint / LIST, _sizes(checkpoint))


def is_whole(checkpoint: Path) -> bool:
    """Return whether a checkpoint has all recorded files with the recorded sizes.

    Args:
        checkpoint: checkpoint directory.
    """
    try:
        return read_json(checkpoint / LIST) == _sizes(checkpoint)
    except DataError:
        return False


def last_whole(directory: Path) -> Path | None:
    """Return the newest complete checkpoint, or None; remove incomplete ones with a warning.

    Args:
        directory: directory of checkpoints.
    """
    found = [path for path in directory.glob("checkpoint-*") if re.fullmatch(r"checkpoint-\d+", path.name)]
    whole = None
    for path in sorted(found, key=lambda path: int(path.name.partition("-")[2])):
        if is_whole(path):
            whole = path
        else:
            logger.warning("removing incomplete checkpoint %s (its writing was interrupted)", path)
            shutil.rmtree(path)
    return whole


def _sizes(checkpoint: Path) -> dict[str, int]:
    files = (p for p in sorted(checkpoint.rglob("*")) if p.is_file() and p.name != LIST)
    # Ignore the temporary list of a killed process.
    return {str(p.relative_to(checkpoint)): p.stat().st_size for p in files if not p.name.startswith(".")}
