"""The ``selfalign`` command: runs every stage on plain files with the functions that the workflow's rules call.

Exit status: 0 on success; 1 for errors in the data or the environment (one line on standard error); 2 for errors in
the command line. Modules are imported inside the commands, so that ``--help`` is fast.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from selfalign.core.errors import DataError, SelfalignError, explain
from selfalign.core.process import configure_logging, ignore_modules_of_working_directory

# Parameters that name files which a command writes; all other paths are read.
OUTPUTS = frozenset({"out", "dropped", "verdicts", "counts", "metrics", "lost", "cache", "work", "kept"})

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


def _configure_logging(level: str) -> str:
    if level.upper() not in LOG_LEVELS:
        raise typer.BadParameter(f"expected {', '.join(LOG_LEVELS)}, found {level!r}")
    configure_logging(level)
    return level


Endpoint = Annotated[
    list[str] | None, typer.Option(help="Base URL of a server; may be repeated. [default: OPENAI_BASE_URL]")
]
CacheDirectory = Annotated[
    Path | None, typer.Option(help="Directory of the completion cache. [default: completions are not cached]")
]
Identity = Annotated[
    str | None, typer.Option(help="Identity of the model (hash or id@revision). [default: its name]")
]
LogLevel = Annotated[
    str,
    typer.Option(
        "--log-level",
        callback=_configure_logging,
        help="DEBUG, INFO, WARNING or ERROR.",
    ),
]


def build_app() -> typer.Typer:
    """Build the command from the modules of this package, each of which has ``register(app)``."""
    app = typer.Typer(
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        help="Self-alignment of code models: seeds, concepts, instructions, responses, execution filter, dataset, training, scores.",
    )
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda m: m.name):
        command = importlib.import_module(f"{__name__}.{module.name}")
        if hasattr(command, "register"):
            command.register(app)
    use_checked_commands(app)
    return app


def main() -> None:
    """Run the command; report errors in one line with exit status 1."""
    ignore_modules_of_working_directory()
    try:
        build_app()()
    except SelfalignError as error:
        print(f"selfalign: error: {error}", file=sys.stderr)
        sys.exit(1)
    except (OSError, MemoryError) as error:
        line = explain(error)
        if line is None:
            raise
        print(f"selfalign: error: {line}", file=sys.stderr)
        sys.exit(1)


class CheckedCommand(TyperCommand):
    """A command that rejects an output that is the same file as an input or as another output."""

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
    """Check that no output among a command's parameters is the same file as an input or another output.

    Symbolic links count as their targets. Pipes and devices may be named several times.

    Args:
        parameters: values of the parameters by name; only paths and lists of paths are checked.

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
                f"{_title(name)} and {_title(seen[place])} are the same file; choose another output",
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
