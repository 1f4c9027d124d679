"""The check that no command writes to a file that it also reads, or writes twice."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand

from selfalign.core.errors import DataError

# Parameters that name files which a command writes; all other paths are read.
OUTPUTS = frozenset({"out", "dropped", "verdicts", "counts", "metrics", "lost", "cache", "work"})


class CheckedCommand(TyperCommand):
    """A command that is refused if an output is the same file as an input or as another output."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command after the check.

        Raises:
            DataError: names the two parameters and the file.
        """
        check_distinct(ctx.params)
        return super().invoke(ctx)


def use_checked_commands(app: typer.Typer) -> None:
    """Make every command of `app`, and of the groups below it, a :class:`CheckedCommand`."""
    for command in app.registered_commands:
        command.cls = CheckedCommand
    for group in app.registered_groups:
        if group.typer_instance is not None:
            use_checked_commands(group.typer_instance)


def check_distinct(parameters: dict[str, Any]) -> None:
    """Check that each output among a command's parameters is a file of its own.

    Symbolic links count as their targets. Pipes and devices may be named several times.

    Args:
        parameters: by name; paths, and lists of paths, are looked at.

    Raises:
        DataError: an output is also an input, or another output.
    """
    seen: dict[str, str] = {}
    named = [(name, path) for name, value in parameters.items() for path in _paths(value)]
    # Inputs first, so that the message says what would have been overwritten.
    for name, path in sorted(named, key=lambda each: each[0] in OUTPUTS):
        place = os.path.realpath(path)
        if _shareable(path):
            continue
        if name in OUTPUTS and place in seen:
            raise DataError(
                f"{_title(name)} and {_title(seen[place])} are the same file; give an output of its own",
                file=path,
            )
        seen.setdefault(place, name)


def _paths(value: Any) -> Iterator[Path]:
    if isinstance(value, Path):
        yield value
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _paths(each)


def _shareable(path: Path) -> bool:
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode) or stat.S_ISDIR(mode)


def _title(name: str) -> str:
    return "OUT" if name == "out" else f"--{name}" if name in OUTPUTS else f"the input '{name}'"
