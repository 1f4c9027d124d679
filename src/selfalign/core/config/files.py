"""Configuration files, as YAML without repeated keys: of those, YAML readers take the last and say nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from selfalign.core.errors import ConfigError


def read_yaml(path: str | Path) -> Any:
    """Return what is in a YAML file.

    Raises:
        ConfigError: the file cannot be read or is not YAML, or a section has a key twice; names key and lines.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        lines = list(_repeated_keys(yaml.compose(text, Loader=yaml.SafeLoader)))
        value = yaml.safe_load(text)
    except OSError as error:
        raise ConfigError(
            f"configuration {path}: cannot be read ({error.strerror or error}); check the path"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"configuration {path}: expected YAML ({' '.join(str(error).split())})") from None
    if lines:
        raise ConfigError("\n".join(f"configuration {path}: {line}" for line in lines))
    return value


def _repeated_keys(node: yaml.Node | None, prefix: str = "") -> Iterator[str]:
    """Yield a line for each key that stands twice in one section."""
    if isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            yield from _repeated_keys(item, f"{prefix}{number}.")
    if not isinstance(node, yaml.MappingNode):
        return
    first: dict[str, int] = {}
    for key, value in node.value:
        name, line = str(key.value), key.start_mark.line + 1
        if name in first:
            yield f"key '{prefix}{name}' stands twice, in lines {first[name]} and {line}; keep one"
        first.setdefault(name, line)
        yield from _repeated_keys(value, f"{prefix}{name}.")
