"""Checkpoints to resume from, and detection of incomplete and damaged ones.

The Trainer writes a checkpoint file by file. When all files are written and synced to disk, a list of their sizes and
hashes is added atomically. A checkpoint without the list, or with other files, is not resumed from; the one before is.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path

from selfalign.core.errors import DataError
from selfalign.core.hashing import file_sha256
from selfalign.core.jsonl import read_json, write_json

logger = logging.getLogger(__name__)
LIST = "whole.json"


def seal(checkpoint: Path) -> None:
    """Sync a finished checkpoint to disk, then record its files with their sizes in bytes and their SHA-256.

    Args:
        checkpoint: checkpoint directory.
    """
    files = list(_files(checkpoint))
    for path in [*files, *{path.parent for path in files}]:
        _sync(path)
    recorded = {
        str(path.relative_to(checkpoint)): {"bytes": path.stat().st_size, "sha256": file_sha256(path)}
        for path in files
    }
    write_json(checkpoint / LIST, recorded)
    for directory in (checkpoint, checkpoint.parent):
        _sync(directory)


def last_whole(directory: Path) -> Path | None:
    """Return the newest undamaged checkpoint, or None; remove newer ones with a warning that states the reason.

    Args:
        directory: directory of checkpoints.
    """
    found = [path for path in directory.glob("checkpoint-*") if re.fullmatch(r"checkpoint-\d+", path.name)]
    for path in sorted(found, key=lambda path: int(path.name.partition("-")[2]), reverse=True):
        damage = _damage(path)
        if damage is None:
            return path
        logger.warning("removing checkpoint %s (%s)", path, damage)
        shutil.rmtree(path)
    return None


class KeptCheckpoints:
    """Weights at some steps, kept beside the checkpoints to resume from until the training has ended.

    Args:
        directory: directory of the checkpoints to resume from.
        steps: numbers of finished steps at which weights are kept.
    """

    def __init__(self, directory: Path, steps: Collection[int]) -> None:
        self.steps = steps
        self._directory = directory / "kept"

    @staticmethod
    def name(step: int) -> str:
        """Return the name of the directory of a kept checkpoint.

        Args:
            step: number of finished steps.
        """
        return f"step-{step}"

    def part(self, step: int) -> Path:
        """Return the directory to which the weights of a step are written, before :meth:`keep`.

        Args:
            step: number of finished steps.
        """
        return self._directory / f".{self.name(step)}.part"

    def keep(self, step: int) -> None:
        """Sync the weights in :meth:`part` to disk, then give them their name.

        They are kept before a checkpoint to resume from is written, so that a resumed training has those of all earlier
        steps.

        Args:
            step: number of finished steps.
        """
        part = self.part(step)
        seal(part)
        kept = self._directory / self.name(step)
        if kept.exists():
            shutil.rmtree(kept)
        part.rename(kept)
        _sync(self._directory)

    def copy(self, step: int, target: Path) -> None:
        """Copy the weights of a step. They stay in case the process is killed before it has written all its outputs.

        Args:
            step: number of finished steps.
            target: directory to make.
        """
        shutil.copytree(self._directory / self.name(step), target, ignore=shutil.ignore_patterns(LIST))


def _damage(checkpoint: Path) -> str | None:
    """Return why a checkpoint cannot be loaded, or None if its files are as recorded."""
    try:
        recorded = read_json(checkpoint / LIST)
        sizes = {name: each["bytes"] for name, each in recorded.items()}
    except (DataError, AttributeError, KeyError, TypeError):
        return "its writing was interrupted"
    if sizes != {str(path.relative_to(checkpoint)): path.stat().st_size for path in _files(checkpoint)}:
        return "its writing was interrupted"
    for name, each in recorded.items():
        if file_sha256(checkpoint / name) != each["sha256"]:
            return f"the content of {name} is not what was written"
    return None


def _files(checkpoint: Path) -> Iterator[Path]:
    """Yield the files of a checkpoint, without the list and the temporary list of a killed process."""
    for path in sorted(checkpoint.rglob("*")):
        if path.is_file() and path.name != LIST and not path.name.startswith("."):
            yield path


def _sync(path: Path) -> None:
    """Write a file or directory to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
