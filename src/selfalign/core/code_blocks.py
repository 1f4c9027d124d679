"""Fenced code blocks of Markdown, by the reference's rules.

A fence (three backquotes) may stand anywhere. The rest of the line after an opening fence, stripped, is the block's tag;
the next fence closes the block. A fence without a line break after it, or without a closing fence, opens no block.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

FENCE = "```"


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block.

    Attributes:
        tag: what follows the opening fence on its line, stripped.
        start: offset of the block's content in the text.
        end: offset of the closing fence.
        code: the content, stripped.
    """

    tag: str
    start: int
    end: int
    code: str

    def has_tag(self, tag: str) -> bool:
        """Return whether the block has a tag, ignoring case.

        Args:
            tag: such as ``python``.
        """
        return self.tag.lower() == tag.lower()


def iter_blocks(text: str) -> Iterator[Block]:
    """Yield the fenced blocks of a text, in order.

    Args:
        text: Markdown text.
    """
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
    """Return the code of the first block, or None.

    Args:
        text: Markdown text.
        tag: tag that the block must have, ignoring case; None for any.
    """
    for block in iter_blocks(text):
        if tag is None or block.has_tag(tag):
            return block.code
    return None
