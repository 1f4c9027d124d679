"""The ``selfalign`` command: runs every stage on plain files with the functions that the workflow's rules call.

Exit status: 0 on success; 1 for errors in the data or the environment (one line on standard error); 2 for errors in
the command line. Modules are imported inside the commands, so that ``--help`` is fast.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from typing import Annotated

import typer

from selfalign.cli.paths import use_checked_commands
from selfalign.core.errors import SelfalignError, explain
from selfalign.core.process import configure_logging


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


LogLevel = Annotated[
    str,
    typer.Option(
        "--log-level",
        callback=lambda level: configure_logging(level) or level,
        help="DEBUG, INFO, WARNING or ERROR.",
    ),
]
