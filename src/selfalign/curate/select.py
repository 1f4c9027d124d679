"""Selection: the rows in a shuffled order, and the names of the functions in a response."""

from __future__ import annotations

import ast
import random
from collections.abc import Sequence

from selfalign.core.jsonl import Record

# The reference's order of keys is that of a set; ours is fixed, and is the one its published files happen to have.
FIELDS = ("prompt", "fingerprint", "seed", "concepts", "instruction", "response")


def common_keys(records: Sequence[Record]) -> list[Record]:
    """Return the records with only the keys that all of them have: :data:`FIELDS`, then the first's others."""
    if not records:
        return []
    order = [*FIELDS, *(key for key in records[0] if key not in FIELDS)]
    shared = [key for key in order if all(key in record for record in records)]
    return [{key: record[key] for key in shared} for record in records]


def shuffled(records: Sequence[Record], seed: int = 0) -> list[Record]:
    """Return the records in the order of a generator seeded with `seed`. Holds them all in memory."""
    order = list(records)
    random.Random(seed).shuffle(order)
    return order


def function_names(code: str | None) -> str | None:
    """Return the space-joined names of all functions defined in `code`, or None if it does not parse."""
    if code is None:
        return None
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return " ".join(_visit(tree))


def _visit(node: ast.AST) -> list[str]:
    names: list[str] = []
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            names.append(child.name)
        names += _visit(child)
    return names
