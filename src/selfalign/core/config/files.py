"""Configuration files (YAML, in which repeated keys are errors) and values of Snakemake's ``--config``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from selfalign.core.errors import ConfigError

# The same as yaml.SafeLoader, in C; builds of PyYAML without libyaml lack it.
FastSafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(path: str | Path) -> Any:
    """Return the content of a YAML file. YAML parsers keep the last of repeated keys silently; here, they are errors.

    Args:
        path: the file.

    Raises:
        ConfigError: the file cannot be read or is not YAML, or a key is repeated; the message names key and lines.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        lines = list(_repeated_keys(yaml.compose(text, Loader=FastSafeLoader)))
        value = yaml.load(text, Loader=FastSafeLoader)
    except OSError as error:
        raise ConfigError(
            f"configuration {path}: cannot be read ({error.strerror or error}); check the path"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"configuration {path}: expected YAML ({' '.join(str(error).split())})") from None
    if lines:
        raise ConfigError("\n".join(f"configuration {path}: {line}" for line in lines))
    return value


def with_types(config: dict[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return `config` with the nested values of ``--config``, which Snakemake reads as text, parsed as JSON if they are.

    Args:
        config: the merged configuration, which contains the overrides as text.
        overrides: values from the command line.
    """
    return {
        key: _merged(value, overrides[key]) if isinstance(overrides.get(key), dict | list) else value
        for key, value in config.items()
    }


def overrides_of(
    section: Mapping[str, Any], config: Mapping[str, Any], overrides: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Return the overrides of a section of the configuration, such as the one that a workflow passes to a module.

    Args:
        section: the section; the same object as in `config`.
        config: the whole configuration.
        overrides: values from the command line, by key of the whole configuration.
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


def _repeated_keys(node: yaml.Node | None, prefix: str = "") -> Iterator[str]:
    """Yield a message for each key that is repeated in its section."""
    if isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            yield from _repeated_keys(item, f"{prefix}{number}.")
    if not isinstance(node, yaml.MappingNode):
        return
    first: dict[str, int] = {}
    for key, value in node.value:
        name, line = str(key.value), key.start_mark.line + 1
        if name in first:
            yield f"key '{prefix}{name}' is repeated, in lines {first[name]} and {line}; keep one"
        first.setdefault(name, line)
        yield from _repeated_keys(value, f"{prefix}{name}.")


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
