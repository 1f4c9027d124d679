"""Values of Snakemake's ``--config``: below the first level it reads every one as text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def with_types(config: dict[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return `config` with the nested values of `overrides` as numbers, booleans and null where they are such in JSON.

    Args:
        config: the merged configuration, in which the overrides stand as text.
        overrides: what came from the command line.
    """
    return {
        key: _merged(value, overrides[key]) if isinstance(overrides.get(key), dict | list) else value
        for key, value in config.items()
    }


def overrides_of(
    section: Mapping[str, Any], config: Mapping[str, Any], overrides: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Return the part of `overrides` that is about `section`, the very object at some place within `config`.

    A module may be given a section of the configuration that the overrides are laid over.
    """
    if section is config:
        return overrides
    for key, value in config.items():
        over = overrides.get(key)
        if isinstance(value, Mapping) and isinstance(over, Mapping):
            found = overrides_of(section, value, over)
            if found:
                return found
    return {}


def _merged(value: Any, override: Any) -> Any:
    if isinstance(override, Mapping) and isinstance(value, Mapping):
        return {key: _merged(each, override[key]) if key in override else each for key, each in value.items()}
    if isinstance(override, list):
        return [_merged(each, each) for each in override]
    if isinstance(override, Mapping):
        return {key: _merged(each, each) for key, each in override.items()}
    if not isinstance(override, str):
        return override
    try:
        return json.loads(override)
    except ValueError:
        return override
