"""A preset laid over a configuration, inside one workflow."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from selfalign.core.config import Config, load_config
from selfalign.core.config.files import read_yaml


def with_preset(config: Mapping[str, Any], preset: str | Path) -> Config:
    """Return `config` with the keys of a preset in place of its own, for jobs of the same run.

    The model is the preset's as a whole: keys of another source would not go with it.

    Raises:
        ConfigError: a key or value is wrong.
    """
    over = read_yaml(preset)
    merged = dict(config)
    for key, value in over.items():
        if key != "run":
            merged[key] = {**config[key], **value} if isinstance(value, dict) and key != "model" else value
    return load_config(merged)
