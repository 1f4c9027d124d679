"""Make the reference pages from the code: ``python docs/generate.py`` (by `make generated`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from selfalign.cli import build_app
from selfalign.core.config.document import reference_markdown

HERE = Path(__file__).parent / "reference"
HEAD = """\
# Commands

`selfalign` does every stage alone, on plain files. Exit status 0; 1 when the data or the world is at fault (one line says what); 2 when the
command line is. Generated from the command itself by `make generated`; `--help` says the same in the terminal.
"""


def commands_markdown() -> str:
    """Return a page with every command, its arguments and its options."""
    lines = [HEAD]
    command = typer.main.get_command(build_app())
    _describe(command, "selfalign", lines)
    return "".join(lines)


def _describe(command: Any, name: str, lines: list[str]) -> None:
    if name != "selfalign":
        lines.append(f"\n{'#' * min(3, name.count(' ') + 1)} {name}\n\n{_text(command.help)}\n")
        rows = [_row(parameter) for parameter in command.params if parameter.name != "help"]
        if rows:
            lines.append("\n| argument or option | meaning |\n|---|---|\n")
            lines += [f"| `{left}` | {right} |\n" for left, right in rows]
    for each in sorted(getattr(command, "commands", {})):
        _describe(command.commands[each], f"{name} {each}", lines)


def _row(parameter: Any) -> tuple[str, str]:
    is_option = parameter.param_type_name == "option"
    left = ", ".join(parameter.opts) if is_option else (parameter.metavar or parameter.name.upper())
    return left, _text(getattr(parameter, "help", None))


def _text(value: str | None) -> str:
    return " ".join((value or "").split()).replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    HERE.mkdir(exist_ok=True)
    (HERE / "commands.md").write_text(commands_markdown(), encoding="utf-8")
    (HERE / "configuration.md").write_text(reference_markdown(), encoding="utf-8")
