"""The templates of the pages, and how figures are written in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def environment() -> Any:
    """Return the Jinja environment of the pages: everything is escaped, unknown names are errors."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("selfalign.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["count"] = lambda value: "–" if value is None else f"{value:,.0f}"
    made.filters["percent"] = lambda value: "–" if value is None else f"{100 * value:.1f}\N{NO-BREAK SPACE}%"
    return made


def part(name: str) -> str:
    """Return the text of a template file that is put into a page as it is."""
    return Path(__file__).with_name("templates").joinpath(name).read_text(encoding="utf-8")
