"""Fenced code blocks, found the way the reference finds them.

From an opening fence (three backquotes anywhere), the rest of the line, stripped, is the block's tag; the
block ends at the next fence, wherever that stands. A block without an end or without a line break after its
opening is none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

FENCE = "```"


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its `tag`, and the half-open span of its `code` in the text."""

    tag: str
    start: int
    end: int
    code: str

    def has_tag(self, tag: str) -> bool:
        """Tell whether the block is tagged `tag`, in whatever case."""
        return self.tag.lower() == tag.lower()


def iter_blocks(text: str) -> Iterator[Block]:
    """Yield the fenced blocks of `text` in order; `code` is stripped, the span is not."""
    position = 0
    while (opening := text.find(FENCE, position)) >= 0:
        line_end = text.find("\n", opening)
        if line_end < 0:
            return
        closing = text.find(FENCE, line_end + 1)
        if closing < 0:
            return
        tag = text[opening + len(FENCE) : line_end].strip()
        yield Block(tag, line_end + 1, closing, text[line_end + 1 : closing].strip())
        position = closing + len(FENCE)


def first_block(text: str, tag: str | None = None) -> str | None:
    """Return the code of the first block of `text` (with that `tag`, if one is given), or None."""
    for block in iter_blocks(text):
        if tag is None or block.has_tag(tag):
            return block.code
    return None
