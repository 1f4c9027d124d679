"""Settings that make outputs stale when they change, and the restricted configuration of a job.

Every setting affects some output unless its field is marked with :data:`~selfalign.core.config.base.RUNTIME_ONLY`.
A rule lists the settings that affect its outputs as its parameter ``settings``, and its job can read only these and the
runtime-only ones, so a setting cannot affect an output without being a parameter of its rule.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel

from selfalign.core.config import Config, load_config
from selfalign.core.config.base import Section, is_runtime_only

S = TypeVar("S", bound=Section)


def decisive_values(config: Config, *keys: str) -> dict[str, Any]:
    """Return the values of settings that affect an output, as parameters of its rule.

    Args:
        config: the configuration.
        keys: dotted keys of settings or sections; of a section, the runtime-only settings are left out.

    Raises:
        KeyError: a key does not exist, or is runtime-only.
    """
    decisive = config.decisive()
    values = {}
    for key in keys:
        value: Any = decisive
        for part in key.split("."):
            if not isinstance(value, dict) or part not in value:
                raise KeyError(f"'{key}' is not a setting that affects outputs")
            value = value[part]
        values[key] = value
    return values


def with_values(config: Config, values: Mapping[str, Any]) -> Config:
    """Return `config` with the settings `values`, by dotted key, as :func:`decisive_values` returns them."""
    changed = config.model_dump()
    for key, value in values.items():
        *sections, last = key.split(".")
        section = changed
        for part in sections:
            section = section[part]
        kept = section[last]
        section[last] = {**kept, **value} if isinstance(kept, dict) and isinstance(value, dict) else value
    return load_config(changed)


def restricted(config: S, keys: Collection[str], prefix: str = "") -> S:
    """Return `config` without the settings that affect outputs, except `keys`; reading a removed one raises AttributeError.

    Args:
        config: the configuration, or a section of it.
        keys: dotted keys of the settings and sections to keep.
        prefix: dotted key of the section, with a dot at the end; empty for the whole configuration.
    """
    copy = config.model_copy()
    values = vars(copy)
    for name, field in type(config).model_fields.items():
        if is_runtime_only(field) or f"{prefix}{name}" in keys:
            continue
        value = values.pop(name)
        if isinstance(value, Section):
            values[name] = restricted(value, keys, f"{prefix}{name}.")
    return copy


def leaf_keys(model: type[BaseModel] = Config, prefix: str = "") -> Iterator[tuple[str, bool]]:
    """Yield the dotted key of every setting, and whether it is runtime-only."""
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            for key, runtime_only in leaf_keys(kind, f"{prefix}{name}."):
                yield key, runtime_only or is_runtime_only(field)
        else:
            yield f"{prefix}{name}", is_runtime_only(field)
