"""Extraction: the functions, or random snippets, of many source files, each file read in a worker process.

Snippets are taken as OSS-Instruct takes them (Wei et al. 2023, arXiv:2312.02120): runs of 1 to 15 lines from anywhere in
a file. The number of snippets per file is our choice: one per 50 lines. A file's text alone determines its snippets.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from math import ceil

from selfalign.core.filtering import Drop
from selfalign.core.hashing import text_sha256
from selfalign.core.jsonl import Record
from selfalign.seeds.functions import Function, decode_source, find_functions
from selfalign.seeds.isolate import Done, run_isolated
from selfalign.seeds.sources import SourceFile

FILE_TIMEOUT_S = 60.0
MAX_SNIPPET_LINES = 15
LINES_PER_SNIPPET = 50


def extract(
    files: Iterable[SourceFile],
    *,
    take: str = "functions",
    workers: int = 1,
    timeout_s: float = FILE_TIMEOUT_S,
) -> Iterator[tuple[SourceFile, list[Function] | Drop]]:
    """Yield each file with its functions, or with the reason why it could not be read, in input order.

    Args:
        files: files to read.
        take: ``functions`` or ``snippets``.
        workers: worker processes.
        timeout_s: time limit per file, in seconds; a file that hangs or crashes the parser is dropped alone.
    """
    read = read_functions if take == "functions" else read_snippets
    for file, outcome in run_isolated(read, files, workers=workers, timeout_s=timeout_s):
        if file.excluded is not None:
            yield file, Drop(file.excluded)
        elif isinstance(outcome, Done):
            yield file, outcome.value
        else:
            yield file, Drop(f"file_{outcome.reason}", outcome.detail)


def read_functions(file: SourceFile) -> list[Function]:
    """Return the functions of one file.

    Args:
        file: the file to read.

    Raises:
        DataError: the file is not text.
    """
    return find_functions(decode_source(file.read_bytes()))


def read_snippets(file: SourceFile) -> list[Function]:
    """Return random snippets of one file.

    Args:
        file: the file to read.

    Raises:
        DataError: the file is not text.
    """
    return random_snippets(decode_source(file.read_bytes()).decode("utf-8"))


def random_snippets(text: str) -> list[Function]:
    """Return random snippets of a text, ordered by line, without surrounding white space.

    Args:
        text: text of a source file.
    """
    lines = text.splitlines()
    generator = random.Random(text_sha256(text))
    found = []
    for _ in range(ceil(len(lines) / LINES_PER_SNIPPET)):
        length = generator.randint(1, MAX_SNIPPET_LINES)
        start = generator.randint(0, max(0, len(lines) - length))
        snippet = "\n".join(lines[start : start + length]).strip("\n").rstrip()
        if snippet.strip():
            found.append(Function(snippet, start + 1, returns_value=False))
    return sorted(found, key=lambda each: each.line)


def function_row(file: SourceFile, function: Function) -> Record:
    """Return the row of a function: ``seed``, ``path``, ``line``, ``sha1``.

    Args:
        file: the file it was found in.
        function: the function.
    """
    return {"seed": function.text, "path": file.path, "line": function.line, "sha1": function.sha1}


def file_row(file: SourceFile) -> Record:
    """Return the row of a file that could not be read: ``path`` and, if known, ``origin``.

    Args:
        file: the file.
    """
    return {"path": file.path, **({"origin": file.origin} if file.origin else {})}
