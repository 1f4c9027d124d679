"""Functions of many files: source files in, one row a function out, and one row a file that gave nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from selfalign.core.jsonl import Record
from selfalign.core.outcomes import Drop, dropped_row
from selfalign.seeds.functions import Function, decode_source, find_functions
from selfalign.seeds.isolate import Done, run_isolated
from selfalign.seeds.snippets import random_snippets
from selfalign.seeds.source_file import SourceFile

FILE_TIMEOUT_S = 60.0


def extract(
    files: Iterable[SourceFile],
    *,
    take: str = "functions",
    workers: int = 1,
    timeout_s: float = FILE_TIMEOUT_S,
) -> Iterator[tuple[SourceFile, list[Function] | Drop]]:
    """Yield each file with its functions, or with the reason why it was lost, in input order.

    Args:
        take: "functions", or "snippets".
        timeout_s: longest time for one file, in seconds; a file that hangs or crashes the parser is lost alone.
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

    Raises:
        DataError: the file is not text.
    """
    content = file.content if isinstance(file.content, bytes) else file.content.read_bytes()
    return find_functions(decode_source(content))


def read_snippets(file: SourceFile) -> list[Function]:
    """Return random snippets of one file.

    Raises:
        DataError: the file is not text.
    """
    content = file.content if isinstance(file.content, bytes) else file.content.read_bytes()
    return random_snippets(decode_source(content).decode("utf-8"))


def function_row(file: SourceFile, function: Function) -> Record:
    """Return the row of a function: ``seed``, ``path``, ``line``, ``sha1``."""
    return {"seed": function.text, "path": file.path, "line": function.line, "sha1": function.sha1}


def lost_row(file: SourceFile, drop: Drop) -> Record:
    """Return the row kept for a file that gave no functions because it could not be read."""
    return dropped_row({"path": file.path, **({"origin": file.origin} if file.origin else {})}, drop)
