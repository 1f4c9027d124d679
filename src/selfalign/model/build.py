"""The base model's checkpoint, from wherever the configuration says."""

from __future__ import annotations

from pathlib import Path

from selfalign.core.config.model import ModelConfig
from selfalign.core.errors import ConfigError
from selfalign.model.embedded import convert_gguf
from selfalign.model.fetch import fetch_hub, link_local


def build_checkpoint(model: ModelConfig, source: str | Path | None, out: str | Path) -> None:
    """Make the checkpoint directory `out`.

    Args:
        model: a hub's with a commit for its revision.
        source: the embedded model's GGUF, for ``source: embedded``.
    """
    if model.id and model.revision:
        fetch_hub(model.id, model.revision, out)
    elif model.path:
        link_local(model.path, out)
    elif source:
        convert_gguf(source, out)
    else:
        raise ConfigError("configuration: 'model.source' is 'embedded', but the embedded GGUF is not given")
