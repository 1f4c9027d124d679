"""Cheap filters of single functions, by their text.

Order and outcomes follow StarCoder2-Instruct. It tests for words and imports by substrings, which also match `debug` (for
`bug`) and ``from sysconfig`` (for ``from sys``); mode `faithful` does the same, while the default mode matches whole
words and import statements.
"""

from __future__ import annotations

import re

from selfalign.core.config.seeds import FiltersConfig
from selfalign.core.filtering import Drop, Filter, Keep, Outcome
from selfalign.core.jsonl import Record
from selfalign.seeds.functions import returns_value

BAD_WORDS = ("todo", "fixme", "bug")
BANNED_MODULES = (
    "argparse",
    "os",
    "subprocess",
    "sys",
    "setuptools",
    "distutils",
    "matplotlib",
    "seaborn",
)
FAITHFUL_SUBSTRINGS = (
    *BAD_WORDS,
    *(f"{verb} {module}" for module in BANNED_MODULES for verb in ("import", "from")),
)

_MODULE = "|".join(BANNED_MODULES)
_BAD_WORD = re.compile(rf"\b(?:{'|'.join(BAD_WORDS)})s?\b", re.IGNORECASE)
_BANNED_IMPORT = re.compile(
    r"(?:^|>>>|\.\.\.|[;:])[ \t]*"  # where a statement begins, in code or in a doctest
    rf"(?:from[ \t]+({_MODULE})(?:\.[\w.]+)?[ \t]+import\b"
    rf"|import[ \t]+(?:[\w.]+(?:[ \t]+as[ \t]+\w+)?[ \t]*,[ \t]*)*({_MODULE})(?![\w]))",
    re.MULTILINE,
)
_NO_ARGUMENTS = re.compile(r"\s*(?:async\s+)?def\s+\w+\s*\(\s*\)")
_DOCSTRING = re.compile(r'"""(.*?)"""', re.DOTALL)


def filter_chain(settings: FiltersConfig) -> list[Filter]:
    """Return the filters of a mode, in the order of StarCoder2-Instruct.

    Args:
        settings: mode and limits.
    """
    if settings.mode == "faithful":
        return [require_value_return, drop_substrings, drop_long(150, None), drop_faithful_no_arguments]
    return [
        require_value_return,
        drop_bad_words,
        drop_banned_imports,
        drop_long(settings.max_lines, settings.max_characters),
        drop_no_arguments,
        require_docstring(settings.min_docstring_characters),
    ]


def require_value_return(record: Record) -> Outcome:
    """Drop a function that never returns a value.

    Args:
        record: a seed; ``returns_value``, if present, is the result of the extraction.
    """
    found = record.get("returns_value")
    if found is None:
        found = returns_value(record["seed"])
    return Keep(record) if found else Drop("no_return")


def drop_substrings(record: Record) -> Outcome:
    """Drop a seed that contains one of the reference's substrings, ignoring case (mode `faithful`).

    Args:
        record: a seed.
    """
    text = record["seed"].lower()
    found = next((each for each in FAITHFUL_SUBSTRINGS if each in text), None)
    return Drop("bad_substring", found) if found else Keep(record)


def drop_bad_words(record: Record) -> Outcome:
    """Drop a seed that contains one of :data:`BAD_WORDS` as a whole word.

    Args:
        record: a seed.
    """
    text = record["seed"].lower()
    found = any(word in text for word in BAD_WORDS) and _BAD_WORD.search(record["seed"])
    return Drop("bad_word", found[0]) if found else Keep(record)


def drop_banned_imports(record: Record) -> Outcome:
    """Drop a seed that imports one of :data:`BANNED_MODULES`.

    Args:
        record: a seed.
    """
    found = "import" in record["seed"] and _BANNED_IMPORT.search(record["seed"])
    return Drop("banned_import", found[1] or found[2]) if found else Keep(record)


def drop_long(max_lines: int, max_characters: int | None) -> Filter:
    """Return the filter that drops long seeds.

    Args:
        max_lines: maximum number of lines.
        max_characters: maximum number of characters; None for no limit.
    """

    def check(record: Record) -> Outcome:
        text = record["seed"]
        lines = text.count("\n") + 1
        if lines > max_lines:
            return Drop("too_long", {"lines": lines})
        if max_characters is not None and len(text) > max_characters:
            return Drop("too_long", {"characters": len(text)})
        return Keep(record)

    return check


def drop_no_arguments(record: Record) -> Outcome:
    """Drop a function without parameters.

    Args:
        record: a seed.
    """
    return Drop("no_arguments") if _NO_ARGUMENTS.match(_definition(record["seed"])) else Keep(record)


def drop_faithful_no_arguments(record: Record) -> Outcome:
    """Drop a seed with a line that starts with ``def `` and contains ``():`` (mode `faithful`).

    Args:
        record: a seed.
    """
    lines = record["seed"].split("\n")
    bad = any(line.startswith("def ") and "():" in line for line in lines)
    return Drop("no_arguments") if bad else Keep(record)


def require_docstring(min_characters: int) -> Filter:
    """Return the filter that drops functions with a short docstring.

    Args:
        min_characters: minimum length of the stripped docstring.
    """

    def check(record: Record) -> Outcome:
        found = _DOCSTRING.search(record["seed"])
        length = len(found[1].strip()) if found else 0
        return Keep(record) if length >= min_characters else Drop("short_docstring", {"characters": length})

    return check


def is_faithful_drop(record: Record) -> bool:
    """Return whether the reference's substring tests would drop a record.

    Args:
        record: a seed.
    """
    return isinstance(drop_substrings(record), Drop)


def _definition(text: str) -> str:
    """Return `text` from its function definition on, without inferred imports before it."""
    start = re.search(r"^(?:async\s+)?def\s", text, re.MULTILINE)
    return text[start.start() :] if start else text
