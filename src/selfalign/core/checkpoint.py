"""Checkpoint directories and their identity, which is stored in a file in the directory.

The identity is part of every completion key and of the lineage: directories with the same identity give the same
completions, whatever their paths.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from selfalign.core.config.model import ModelConfig
from selfalign.core.errors import DataError
from selfalign.core.hashing import file_sha256, json_sha256
from selfalign.core.jsonl import read_json, write_json

CARD = "selfalign.json"
# In the directory of a LoRA adapter, as saved by peft.
ADAPTER_CONFIG = "adapter_config.json"


def write_card(directory: str | Path, **facts: Any) -> None:
    """Write the identity file of a checkpoint: the hash of its files, and its origin.

    Args:
        directory: directory of the checkpoint.
        facts: facts about its origin, by name.
    """
    write_json(Path(directory) / CARD, {"identity": hash_files(directory), **facts})


def read_identity(directory: str | Path) -> str:
    """Return the identity of a checkpoint, from its identity file or, without one, from its other files.

    Args:
        directory: directory of the checkpoint.

    Raises:
        DataError: the directory holds no ``config.json``, so it is not a checkpoint.
    """
    directory = Path(directory)
    if (directory / CARD).exists():
        return read_json(directory / CARD)["identity"]
    return hash_files(directory)


def model_identity(model: ModelConfig, checkpoint: str | Path | None = None, *, tuned: bool = False) -> str:
    """Return the identity of the configured model: id and commit on the hub, else the hash of its checkpoint.

    Args:
        model: the configured model.
        checkpoint: directory of its checkpoint; None if an external server has it, so that only its name is known.
        tuned: return the identity of the model tuned by this run instead of that of the base model.

    Raises:
        DataError: `checkpoint` (or ``model.path``) is no checkpoint.
    """
    if model.source == "hub" and not tuned:
        return f"{model.id}@{model.revision}"
    checkpoint = checkpoint or (None if tuned else model.path)
    if checkpoint is not None:
        return read_identity(checkpoint)
    return f"{model.source}:{model.name}" + (":tuned" if tuned else "")


def is_adapter(directory: str | Path) -> bool:
    """Return whether a directory holds a LoRA adapter, which is used together with its base model.

    Args:
        directory: directory of a checkpoint or adapter.
    """
    return (Path(directory) / ADAPTER_CONFIG).exists()


def hash_files(directory: str | Path) -> str:
    """Return the SHA-256 of the names and contents of a checkpoint's configuration, tokenizer and weights.

    Args:
        directory: directory of the checkpoint.

    Raises:
        DataError: the directory holds no ``config.json``.
    """
    directory = Path(directory)
    if not (directory / "config.json").exists():
        raise DataError("expected a checkpoint directory with a config.json", file=directory)
    kinds = {".json", ".safetensors", ".bin", ".model", ".jinja", ".txt"}
    names = sorted(p.name for p in directory.iterdir() if p.suffix in kinds and p.name != CARD)
    return json_sha256({name: file_sha256(directory / name) for name in names})
