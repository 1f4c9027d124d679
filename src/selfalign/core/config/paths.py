"""Paths in the configuration. The annotation of a key determines whether its value is expanded and must exist.

``~`` and environment variables are expanded when the configuration is read. A relative path is relative to the working
directory; a file that may be bundled with the workflow is searched for there, and then beside the Snakefile.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

from pydantic import AfterValidator, BaseModel, Field
from pydantic.fields import FieldInfo

from selfalign.core.errors import ConfigError

_VARIABLE = re.compile(r"\$(?:(\w+)|\{([^}]*)\})")


@dataclass(frozen=True)
class Existing:
    """Annotation of the type of a path that must exist before anything runs.

    Args:
        kind: type of the path.
        bundled: whether it may be bundled with the workflow, as the defaults are.
        only: regular expression; a value that does not contain a match is a name (such as an image reference), not a path.
    """

    kind: Literal["file", "directory", "file or directory"]
    bundled: bool = False
    only: str = ""

    def concerns(self, value: str) -> bool:
        """Whether `value` is a path."""
        return bool(value) and re.search(self.only, value) is not None

    def find(self, value: str, workflow: str | Path) -> Path | None:
        """Return the path that `value` stands for, or None if there is nothing of that kind."""
        path = find_bundled(value, workflow) if self.bundled else Path(value)
        found = {"file": path.is_file(), "directory": path.is_dir()}.get(self.kind, path.exists())
        return path if found else None


def expand(value: str) -> str:
    """Return `value` with ``~``, ``~user``, ``$VARIABLE`` and ``${VARIABLE}`` expanded.

    Raises:
        ValueError: a variable is not set, or there is no such user.
    """
    for match in _VARIABLE.finditer(value):
        name = match[1] or match[2]
        if name not in os.environ:
            raise ValueError(f"the environment variable {name} is not set")
    expanded = os.path.expandvars(value)
    if not expanded.startswith("~"):
        return expanded
    # Only the first part goes through pathlib, which would drop a trailing slash.
    home, slash, rest = expanded.partition("/")
    try:
        return f"{Path(home).expanduser()}{slash}{rest}"
    except RuntimeError:
        raise ValueError(f"there is no user {home[1:]!r}; for a file of this name, write ./{value}") from None


Expanded = AfterValidator(expand)
# A path that is written to, or may be absent.
PathText = Annotated[str, Field(min_length=1), Expanded]
# Paths of the user's files.
ExistingFile = Annotated[PathText, Existing("file")]
ExistingDirectory = Annotated[PathText, Existing("directory")]
ExistingPath = Annotated[PathText, Existing("file or directory")]
# A file of the user, or one that is bundled with the workflow.
BundledFile = Annotated[PathText, Existing("file", bundled=True)]
# An image: a reference, or the path of a .sif file.
ImageText = Annotated[str, Expanded, Existing("file", only=r"\.sif$")]


def find_bundled(value: str, workflow: str | Path) -> Path:
    """Return the path of a file: relative to the working directory if it exists there, else beside the Snakefile.

    Args:
        workflow: directory of the Snakefile.
    """
    path = Path(value)
    beside = Path(workflow) / path
    return beside if beside.exists() and not path.exists() else path


def check_files(config: BaseModel, workflow: str | Path) -> None:
    """Check that all files and directories that the configuration names exist.

    Args:
        workflow: directory of the Snakefile.

    Raises:
        ConfigError: names the key and the path of each that does not, a line each.
    """
    lines = []
    for key, value, existing in _existing_paths(config):
        if existing.find(value, workflow) is None:
            places = [Path.cwd(), *([Path(workflow)] if existing.bundled else [])]
            where = " or ".join(dict.fromkeys(str(place.resolve()) for place in places))
            where = "" if Path(value).is_absolute() else f" in {where}"
            lines.append(f"configuration: {key!r} is {value!r}; there is no such {existing.kind}{where}")
    if lines:
        raise ConfigError("\n".join(lines))


M = TypeVar("M", bound=BaseModel)


def with_bundled_files(config: M, workflow: str | Path) -> M:
    """Return `config` with the locations of bundled files in place of their paths.

    Args:
        workflow: directory of the Snakefile.
    """
    changed: dict[str, Any] = {}
    for name, field in type(config).model_fields.items():
        value = getattr(config, name)
        existing = existing_of(field)
        if isinstance(value, BaseModel):
            changed[name] = with_bundled_files(value, workflow)
        elif (
            existing is not None and existing.bundled and isinstance(value, str) and existing.concerns(value)
        ):
            changed[name] = str(find_bundled(value, workflow))
    return config.model_copy(update=changed)


def existing_of(field: FieldInfo) -> Existing | None:
    """Return the annotation of a field whose value must exist as a path; None for other fields."""
    return next((each for each in annotations_of(field) if isinstance(each, Existing)), None)


def annotations_of(field: FieldInfo) -> list[Any]:
    """Return the annotations of a field's type, including those within ``… | None`` and ``list[…]``."""

    def within(annotation: Any) -> Iterator[Any]:
        if get_origin(annotation) is Annotated:
            yield from annotation.__metadata__
        for argument in get_args(annotation):
            yield from within(argument)

    return [*field.metadata, *within(field.annotation)]


def _existing_paths(section: BaseModel, prefix: str = "") -> Iterator[tuple[str, str, Existing]]:
    """Yield key, value and annotation of every path that must exist."""
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        existing = existing_of(field)
        items = enumerate(value) if isinstance(value, list) else [(None, value)]
        for number, item in items:
            key = f"{prefix}{name}" if number is None else f"{prefix}{name}.{number}"
            if isinstance(item, BaseModel):
                yield from _existing_paths(item, f"{key}.")
            elif existing is not None and isinstance(item, str) and existing.concerns(item):
                yield key, item, existing
