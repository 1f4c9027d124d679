"""From a server's choices to the values a record gains."""

from __future__ import annotations

from collections import Counter
from typing import Any

from selfalign.client.types import Choice, Result
from selfalign.core.prompt_template import ModeLayout


def usable_values(result: Result, layout: ModeLayout) -> tuple[list[Any], Counter[str]]:
    """Return the values of the usable choices, in their order, and the others' number by reason.

    Reasons: ``cut`` (at the token limit), ``empty``.
    """
    values: list[Any] = []
    unusable: Counter[str] = Counter()
    for choice in result.choices:
        reason = _fault(choice)
        if reason is not None:
            unusable[reason] += 1
        else:
            values.append(_value(choice.text, layout))
    return values, unusable


def _fault(choice: Choice) -> str | None:
    if choice.finish_reason == "length":
        return "cut"
    return None if choice.text.strip(" \t\r\n,") else "empty"


def _value(text: str, layout: ModeLayout) -> Any:
    if layout.split is not None:
        return [item.strip() for item in text.split(layout.split)]
    return text.strip()
