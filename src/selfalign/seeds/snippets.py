"""Random snippets of files, instead of functions: what the paper compares its seeds with.

As OSS-Instruct takes them (Wei et al. 2023, arXiv:2312.02120): a run of 1 to 15 lines from anywhere in a file. How
many a file gives is ours to choose: one for every 50 lines. The file's text decides all of it.
"""

from __future__ import annotations

import random
from math import ceil

from selfalign.core.hashing import text_sha256
from selfalign.seeds.functions import Function

MOST_LINES = 15
LINES_A_SNIPPET = 50


def random_snippets(text: str) -> list[Function]:
    """Return snippets of a file's text, in the order of their lines; white space around them is left out."""
    lines = text.splitlines()
    generator = random.Random(text_sha256(text))
    found = []
    for _ in range(ceil(len(lines) / LINES_A_SNIPPET)):
        length = generator.randint(1, MOST_LINES)
        start = generator.randint(0, max(0, len(lines) - length))
        snippet = "\n".join(lines[start : start + length]).strip("\n").rstrip()
        if snippet.strip():
            found.append(Function(snippet, start + 1, returns_value=False))
    return sorted(found, key=lambda each: each.line)
