"""Find the chunks of a file that may be documented top-level functions, without parsing it.

Parsing takes almost all the time of extraction, and most of a file is no documented top-level function. The positions of
triple quotes determine which lines begin a statement in column 0; the text between a ``def`` there and the next such line
is parsed alone. If this could be wrong, the whole file has to be parsed.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass

_QUOTES = (b'"""', b"'''")
# The end of a triple-quoted string with backslashes in it: a backslash escapes what follows.
_CLOSE = {
    b'"""': re.compile(rb'(?:[^\\"]+|\\.|"(?!""))*"""', re.DOTALL),
    b"'''": re.compile(rb"(?:[^\\']+|\\.|'(?!''))*'''", re.DOTALL),
}
_DEFINITION = re.compile(rb"\n(?:async[ \t]+)?def[ \t]")
# A line that begins a statement in column 0, or at least does not continue the one before.
_STATEMENT = re.compile(rb"\n[^\s#)\]}'\"\\]")
_MAYBE_DOCSTRING = re.compile(rb':\s*(?:#[^\n]*\n\s*)*"""')
_SENTINEL = b"pass\n"


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a file that begins with a function definition in column 0.

    Attributes:
        text: the function and what follows up to the next statement in column 0, which is replaced by a short
            one: the parser ends a function there as it would in the file.
        line: its first line in the file, from 1.
    """

    text: bytes
    line: int


def function_chunks(source: bytes) -> list[Chunk] | None:
    """Return the chunks that may be documented functions; None if the whole file must be parsed.

    Args:
        source: source code in UTF-8.
    """
    if b'"""' not in source:
        return []
    text = b"\n" + source  # so that every line has a newline before it
    definitions = [match.start() + 1 for match in _DEFINITION.finditer(text)]
    if not definitions:
        return []
    strings = _triple_strings(text)
    if strings is None:
        return None
    chunks: list[Chunk] = []
    line, counted, done = 0, 0, 0
    for start in definitions:
        if start < done or strings.inside(start):
            continue
        if text[start - 2 : start] == b"\\\n":
            return None
        done = strings.next_statement(text, start)
        if _MAYBE_DOCSTRING.search(text, start, done) is None:
            if text.count(b"(", start, done) > text.count(b")", start, done):
                return None  # the parameters continue in column 0
            continue
        line += text.count(b"\n", counted, start)
        counted = start
        piece = text[start:done]
        chunks.append(Chunk(piece + _SENTINEL if done < len(text) else piece, line))
    return chunks


@dataclass(frozen=True, slots=True)
class _Strings:
    """Start and end offsets of the triple-quoted strings of a file, in order."""

    starts: list[int]
    ends: list[int]

    def inside(self, position: int) -> bool:
        number = bisect_right(self.starts, position) - 1
        return number >= 0 and position < self.ends[number]

    def next_statement(self, text: bytes, position: int) -> int:
        """Return the offset of the next statement in column 0 outside strings, or the end of the file."""
        for match in _STATEMENT.finditer(text, position):
            if not self.inside(match.start() + 1):
                return match.start() + 1
        return len(text)


def _triple_strings(text: bytes) -> _Strings | None:
    """Return the triple-quoted strings; None if the position of one is uncertain.

    A triple quote opens a string if nothing before it on its line is a quote or begins a comment.
    """
    strings = _Strings([], [])
    position = 0
    ahead = {quotes: text.find(quotes) for quotes in _QUOTES}
    while True:
        for quotes in _QUOTES:
            if -1 < ahead[quotes] < position:
                ahead[quotes] = text.find(quotes, position)
        found = [(at, quotes) for quotes, at in ahead.items() if at >= 0]
        if not found:
            return strings
        start, quotes = min(found)
        before = text[max(position, text.rfind(b"\n", 0, start)) : start]
        if b"'" in before or b'"' in before or b"#" in before:
            return None
        end = _end_of_string(text, start + 3, quotes)
        if end < 0:
            return None
        strings.starts.append(start)
        strings.ends.append(end)
        position = end


def _end_of_string(text: bytes, begin: int, quotes: bytes) -> int:
    """Return the end offset of a string whose contents begin at `begin`; -1 if it has no end."""
    end = text.find(quotes, begin)
    if end < 0 or text.find(b"\\", begin, end) < 0:
        return end + 3 if end >= 0 else -1
    closing = _CLOSE[quotes].match(text, begin)
    return closing.end() if closing else -1
