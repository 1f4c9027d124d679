"""Hold-out: keep a share of the instructions, with everything similar to them, out of training.

Rows are decided by cluster, so that no training row is a twin of a held-out one. Two rows are in one cluster if their
instructions are near-duplicates or their implementations define a function or class of the same name, or if a chain of
such pairs connects them. The decision depends on the texts of the cluster alone, not on the order of the rows.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable

from selfalign.core.code_blocks import iter_blocks
from selfalign.core.config.curation import SelfTestsConfig
from selfalign.core.filtering import Drop, Keep, StepCounts, StepWriter
from selfalign.core.hashing import text_sha256
from selfalign.core.instructions import normalized_instruction
from selfalign.core.jsonl import Record
from selfalign.curate.code import FUNCTIONS, parse
from selfalign.curate.rows import File, log_counts, read_rows
from selfalign.dedup import NearDuplicates

# Bits of a cluster's hash that are compared with the share.
BITS = 64


def hold_out_file(
    source: File,
    out: File,
    dropped: File | None,
    settings: SelfTestsConfig,
    *,
    held_out_before: File | None = None,
) -> StepCounts:
    """Hold out a share of the rows, by cluster; they are dropped with the reason ``held_out``.

    In a later round, the rows in a cluster with a row that the first round held out are dropped instead, with the reason
    ``similar_to_held_out``; the clusters are those of the rows of both rounds together.

    Memory: 4 bytes per permutation and 8 bytes per shingle of every instruction.

    Args:
        source: JSON Lines file of rows.
        out: JSON Lines file of the rows for training.
        dropped: JSON Lines file of the held-out rows, with the id of their cluster as detail; None writes none.
        settings: share, and what near-duplicates are.
        held_out_before: JSON Lines file of the rows that the first round held out; None in the first round.

    Raises:
        DataError: a row lacks instruction or response.
    """
    earlier = [held_out_before] if held_out_before else []
    count = sum(1 for _ in read_rows(earlier))
    clusters = cluster_ids(read_rows([*earlier, source]), settings)
    taken, clusters = set(clusters[:count]), clusters[count:]
    with StepWriter("hold_out", out=out, dropped=dropped) as writer:
        for row, cluster in zip(read_rows([source]), clusters, strict=True):
            if earlier:
                reason = "similar_to_held_out" if cluster in taken else None
            else:
                reason = "held_out" if is_held_out(cluster, settings.share) else None
            writer.put(row, Drop(reason, {"cluster": cluster}) if reason else Keep(row))
    writer.counts.extra = {"clusters": len(set(clusters))}
    return log_counts(writer.counts)


def is_held_out(cluster: str, share: float) -> bool:
    """Return whether a cluster is held out.

    Args:
        cluster: id of the cluster.
        share: share of the clusters to hold out, from 0 to 1.
    """
    return int(cluster[: BITS // 4], 16) < share * 2**BITS


def cluster_ids(rows: Iterable[Record], settings: SelfTestsConfig) -> list[str]:
    """Return the id of each row's cluster: the SHA-256 of the smallest hash of its instructions.

    The smallest of many hashes is not uniformly distributed; its hash is, so that large clusters are not held out more
    often than small ones.

    Args:
        rows: rows with instruction and response.
        settings: what near-duplicates are.
    """
    parents: list[int] = []
    keys: list[str] = []

    def find(row: int) -> int:
        while parents[row] != row:
            parents[row] = parents[parents[row]]
            row = parents[row]
        return row

    index = NearDuplicates(settings)
    first_with_name: dict[str, int] = {}
    for number, record in enumerate(rows):
        text = normalized_instruction(record["instruction"])
        keys.append(text_sha256(text))
        parents.append(number)
        names = implementation_names(record["response"])
        for other in (
            *index.add_to_all(text),
            *(first_with_name.setdefault(name, number) for name in names),
        ):
            parents[find(number)] = find(other)
    smallest: dict[int, str] = {}
    for number, key in enumerate(keys):
        root = find(number)
        smallest[root] = min(key, smallest.get(root, key))
    return [text_sha256(smallest[find(number)]) for number in range(len(keys))]


def implementation_names(response: str) -> set[str]:
    """Return the names of the top-level functions and classes of an implementation, in lower case without underscores.

    All Python blocks are read, and tests may be among them: ``main`` and names that begin with ``test`` are left out.

    Args:
        response: text of the response.
    """
    names: set[str] = set()
    for block in iter_blocks(response):
        tree = parse(block.code) if block.has_tag("python") else None
        names |= {
            node.name.replace("_", "").lower()
            for node in (tree.body if tree else [])
            if isinstance(node, (*FUNCTIONS, ast.ClassDef))
        }
    return {name for name in names if name not in ("", "main") and not name.startswith("test")}
