"""Prepare the base model's checkpoint directory from the hub, a local directory or the embedded model."""

from __future__ import annotations

import shutil
from pathlib import Path

from selfalign.core.checkpoint import CARD, write_card
from selfalign.core.config.model import ModelConfig
from selfalign.core.errors import ConfigError, DataError
from selfalign.hub import CHECKPOINT_FILES, cached_checkpoint, explain_failure
from selfalign.model.embedded import convert_gguf


def build_checkpoint(model: ModelConfig, source: str | Path | None, out: str | Path) -> None:
    """Write the checkpoint directory of the base model.

    Args:
        model: configuration of the base model; a hub model has a commit as its revision.
        source: GGUF file of the embedded model, for ``source: embedded``.
        out: checkpoint directory to write.

    Raises:
        ConfigError: the GGUF file is needed but not given, or the hub has no such model or commit.
        DataError: the local checkpoint is not a checkpoint directory.
        InfrastructureError: the hub cannot be reached.
    """
    if model.id and model.revision:
        fetch_hub(model.id, model.revision, out)
    elif model.path:
        link_local(model.path, out)
    elif source:
        convert_gguf(source, out)
    else:
        raise ConfigError("configuration: 'model.source' is 'embedded', but the embedded GGUF is not given")


def fetch_hub(model_id: str, commit: str, out: str | Path) -> None:
    """Download a checkpoint at a commit.

    Files are downloaded to a directory beside `out` first, so that an interrupted download resumes. If the hub cannot
    be reached, a complete copy in the local hub cache is used.

    Args:
        model_id: id of the model on the hub.
        commit: commit hash.
        out: checkpoint directory to write.

    Raises:
        ConfigError: the hub has no such model or commit for this user.
        InfrastructureError: the hub cannot be reached or fails, and the local hub cache has no complete copy.
    """
    from huggingface_hub import snapshot_download

    out = Path(out)
    partial = out.with_name(f"{out.name}.{commit[:12]}.part")
    try:
        snapshot_download(model_id, revision=commit, local_dir=partial, allow_patterns=[*CHECKPOINT_FILES])
    except Exception as error:
        failure = explain_failure(error, "model", model_id, commit)
        cached = cached_checkpoint(model_id, commit) if failure else None
        if cached is None:
            raise failure or error from None
        _link(cached, out)
    else:
        shutil.rmtree(partial / ".cache")
        if out.exists():
            shutil.rmtree(out)
        partial.rename(out)
    write_card(out, source=f"hub:{model_id}", revision=commit)


def link_local(path: str | Path, out: str | Path) -> None:
    """Write a checkpoint directory that links to the weights of a local checkpoint.

    Args:
        path: local checkpoint directory.
        out: checkpoint directory to write.

    Raises:
        DataError: `path` is not a checkpoint directory.
    """
    path, out = Path(path).resolve(), Path(out)
    if not (path / "config.json").exists():
        raise DataError("model.path: expected a checkpoint directory with a config.json", file=path)
    _link(path, out)
    write_card(out, source=f"path:{path.name}")


def _link(path: Path, out: Path) -> None:
    """Link the weights of a checkpoint into `out` and copy its other files."""
    out.mkdir(parents=True, exist_ok=True)
    for file in sorted(p for p in path.iterdir() if p.is_file() and p.name != CARD):
        (out / file.name).unlink(missing_ok=True)
        if file.suffix in {".safetensors", ".bin"}:
            (out / file.name).symlink_to(file)
        else:
            shutil.copyfile(file, out / file.name)
