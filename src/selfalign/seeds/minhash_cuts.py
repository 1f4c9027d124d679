"""Deduplication on many nodes, second half: check the candidates and drop all but the first of several duplicates.

One job per band checks the candidate pairs by their exact Jaccard similarity; then one job decides, in the order of the
units, which rows to drop. A row is dropped if it equals an earlier row, or is a near-duplicate of an earlier row *that
stays*. The index in memory follows the same rule, so both implementations keep the same rows, except for pairs that only
one of them had as candidates.
"""

from __future__ import annotations

import struct
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from selfalign.core.config.seeds import NearDuplicatesConfig
from selfalign.core.filtering import Drop, Keep, StepCounts, StepWriter
from selfalign.core.jsonl import Record, read_jsonl, write_jsonl
from selfalign.dedup import hash_shingles, overlap, shingles
from selfalign.seeds.functions import text_sha1
from selfalign.seeds.pool import read_seeds

# Up to this number of distinct texts that agree in a band, all pairs are compared. Beyond it, each text is compared only
# with those that are no near-duplicates of an earlier one.
MAX_ALL_PAIRS = 1000

Place = tuple[int, int]
"""Position of a row: number of its unit among all units, and number of the row in the unit, both from 0."""


class _Row(NamedTuple):
    text: str
    name: str
    hashes: array[int]


def check_pairs(
    neighbours: str | Path, units: Sequence[str | Path], out: str | Path, settings: NearDuplicatesConfig
) -> None:
    """Write the pairs of a band that are duplicates: ``later``, ``earlier``, ``duplicate_of`` (its SHA-1), ``equal``.

    Memory grows with the shingles of the rows that agree with another one in the band.

    Args:
        neighbours: what :func:`selfalign.seeds.minhash_nodes.write_pairs` wrote for the band.
        units: JSON Lines files of seeds, in the order of the units.
        out: JSON Lines file of the pairs.
        settings: threshold and shingles.
    """
    groups = list(_read_groups(neighbours))
    rows = _read_rows({place for group in groups for place in group}, units, settings)
    write_jsonl(out, (pair for group in groups for pair in _compare(group, rows, settings.threshold)))


def _read_groups(neighbours: str | Path) -> Iterator[list[Place]]:
    """Yield each group of rows that agree in the band (a chain of neighbours), in the order of the units."""
    group: list[Place] = []
    for unit, row, next_unit, next_row in struct.iter_unpack("<4I", Path(neighbours).read_bytes()):
        if not group or group[-1] != (unit, row):
            if group:
                yield sorted(group)
            group = [(unit, row)]
        group.append((next_unit, next_row))
    if group:
        yield sorted(group)


def _read_rows(
    wanted: set[Place], units: Sequence[str | Path], settings: NearDuplicatesConfig
) -> dict[Place, _Row]:
    rows: dict[Place, _Row] = {}
    for unit in sorted({unit for unit, _ in wanted}):
        for number, record in enumerate(read_seeds(units[unit])):
            if (unit, number) in wanted:
                text = text_sha1(record["seed"])
                parts = shingles(record["seed"], settings.ngram, operators=settings.operators)
                hashes = array("q", hash_shingles(parts))
                rows[unit, number] = _Row(text, record.get("sha1", text), hashes)
    return rows


def _compare(group: Sequence[Place], rows: dict[Place, _Row], threshold: float) -> Iterator[Record]:
    """Yield the equal pairs of a group, and the near-duplicate pairs among its distinct texts."""
    first: dict[str, Place] = {}
    for place in group:
        earlier = first.setdefault(rows[place].text, place)
        if earlier != place:
            yield _pair(place, earlier, rows, equal=True)
    compared: list[Place] = []
    for place in first.values():
        hashes = set(rows[place].hashes)
        similar = [other for other in compared if overlap(hashes, rows[other].hashes) >= threshold]
        yield from (_pair(place, other, rows, equal=False) for other in similar)
        if not similar or len(first) <= MAX_ALL_PAIRS:
            compared.append(place)


def _pair(later: Place, earlier: Place, rows: dict[Place, _Row], *, equal: bool) -> Record:
    return {"later": later, "earlier": earlier, "duplicate_of": rows[earlier].name, "equal": equal}


def write_cuts(pairs: Iterable[str | Path], units: Sequence[str | Path]) -> None:
    """Decide which rows to drop; write ``row``, ``reason`` and ``duplicate_of`` of each, one file per unit.

    Memory grows with the pairs that are duplicates.

    Args:
        pairs: what :func:`check_pairs` wrote for each band.
        units: JSON Lines files to write, in the order of the units.
    """
    equals: dict[Place, str] = {}
    similar: defaultdict[Place, dict[Place, str]] = defaultdict(dict)
    for path in pairs:
        for pair in read_jsonl(path):
            later, earlier = _place(pair["later"]), _place(pair["earlier"])
            if pair["equal"]:
                equals[later] = pair["duplicate_of"]
            else:
                similar[later][earlier] = pair["duplicate_of"]
    cuts: defaultdict[int, list[Record]] = defaultdict(list)
    dropped: set[Place] = set()
    for place in sorted(equals.keys() | similar.keys()):
        stays = [earlier for earlier in similar.get(place, ()) if earlier not in dropped]
        if place in equals:
            reason, duplicate_of = "duplicate", equals[place]
        elif stays:
            reason, duplicate_of = "near_duplicate", similar[place][min(stays)]
        else:
            continue
        dropped.add(place)
        cuts[place[0]].append({"row": place[1], "reason": reason, "duplicate_of": duplicate_of})
    for unit, path in enumerate(units):
        write_jsonl(path, cuts[unit])


def _place(pair: Sequence[int]) -> Place:
    unit, row = pair
    return unit, row


def cut_unit(rows: str | Path, cuts: str | Path, out: str | Path, dropped: str | Path) -> list[StepCounts]:
    """Drop the duplicates of one unit; return the counts of both steps.

    Args:
        rows: JSON Lines file of the unit's seeds.
        cuts: what :func:`write_cuts` wrote for the unit.
        out: JSON Lines file of the kept seeds.
        dropped: JSON Lines file of the dropped seeds, with the SHA-1 of the row that stays as detail.

    Raises:
        DataError: a row has no string ``seed``.
    """
    drops = {cut["row"]: Drop(cut["reason"], cut["duplicate_of"]) for cut in read_jsonl(cuts)}
    with StepWriter("duplicates", "near_duplicates", out=out, dropped=dropped) as writer:
        for number, record in enumerate(read_seeds(rows)):
            outcome = drops.get(number) or Keep(record)
            if isinstance(outcome, Drop) and outcome.reason == "duplicate":
                writer.put(record, outcome, step="duplicates")
            else:
                writer.put(record, Keep(record), step="duplicates")
                writer.put(record, outcome, step="near_duplicates")
    return writer.steps
