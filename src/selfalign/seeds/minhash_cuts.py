"""Near-duplicates on many nodes, second half: candidates are checked, and the first of several stays.

The pairs of a band are checked by their exact Jaccard similarity, a job a band; then one job settles, in the order of
the units, which rows go. A row goes if it equals an earlier one or is like an earlier one *that stays*: the rule of the
index in memory, so both ways give the same rows, but for pairs that one of the two never had as candidates.
"""

from __future__ import annotations

import struct
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from selfalign.core.config.seeds import NearDuplicatesConfig
from selfalign.core.jsonl import Record, dumps, open_writer, read_jsonl, write_jsonl
from selfalign.core.outcomes import Drop, StepCounts, dropped_row
from selfalign.dedup.minhash import hash_shingles, overlap, shingles
from selfalign.seeds.functions import text_sha1
from selfalign.seeds.pool import read_seeds

# Up to so many different texts that agree in a band, all pairs are compared; of more, each with those that are like none before.
ALL_PAIRS = 1000

Place = tuple[int, int]
"""A row: the place of its unit among all units, and its own within the unit, from 0."""


class _Row(NamedTuple):
    text: str
    name: str
    hashes: array[int]


def check_pairs(
    neighbours: str | Path, units: Sequence[str | Path], out: str | Path, settings: NearDuplicatesConfig
) -> None:
    """Write the pairs of a band that are duplicates: ``later``, ``earlier``, ``twin`` (its SHA-1) and ``equal``.

    Needs memory for the shingles of the rows that agree with another one in the band.

    Args:
        neighbours: what :func:`selfalign.seeds.minhash_nodes.write_pairs` wrote for the band.
        units: all units' rows, in the order of the units.
    """
    groups = list(_read_groups(neighbours))
    rows = _read_rows({place for group in groups for place in group}, units, settings.ngram)
    write_jsonl(out, (pair for group in groups for pair in _compare(group, rows, settings.threshold)))


def _read_groups(neighbours: str | Path) -> Iterator[list[Place]]:
    """Yield the rows that agree in the band, in the order of the units: chains of neighbours."""
    group: list[Place] = []
    for unit, row, next_unit, next_row in struct.iter_unpack("<4I", Path(neighbours).read_bytes()):
        if not group or group[-1] != (unit, row):
            if group:
                yield sorted(group)
            group = [(unit, row)]
        group.append((next_unit, next_row))
    if group:
        yield sorted(group)


def _read_rows(wanted: set[Place], units: Sequence[str | Path], ngram: int) -> dict[Place, _Row]:
    rows: dict[Place, _Row] = {}
    for unit in sorted({unit for unit, _ in wanted}):
        for number, record in enumerate(read_seeds(units[unit])):
            if (unit, number) in wanted:
                text = text_sha1(record["seed"])
                hashes = array("q", hash_shingles(shingles(record["seed"], ngram)))
                rows[unit, number] = _Row(text, record.get("sha1", text), hashes)
    return rows


def _compare(group: Sequence[Place], rows: dict[Place, _Row], threshold: float) -> Iterator[Record]:
    """Yield the pairs of a group that are equal, and those of different texts that are alike."""
    first: dict[str, Place] = {}
    for place in group:
        earlier = first.setdefault(rows[place].text, place)
        if earlier != place:
            yield _pair(place, earlier, rows, equal=True)
    compared: list[Place] = []
    for place in first.values():
        hashes = set(rows[place].hashes)
        alike = [other for other in compared if overlap(hashes, rows[other].hashes) >= threshold]
        yield from (_pair(place, other, rows, equal=False) for other in alike)
        if not alike or len(first) <= ALL_PAIRS:
            compared.append(place)


def _pair(later: Place, earlier: Place, rows: dict[Place, _Row], *, equal: bool) -> Record:
    return {"later": later, "earlier": earlier, "twin": rows[earlier].name, "equal": equal}


def write_cuts(pairs: Iterable[str | Path], units: Sequence[str | Path]) -> None:
    """Settle which rows go; write, for each unit, their ``row``, ``reason`` and the ``twin`` that stays for them.

    Needs memory for all pairs that are duplicates.

    Args:
        pairs: what :func:`check_pairs` wrote for each band.
        units: the files to write, in the order of the units.
    """
    equals: dict[Place, str] = {}
    alike: defaultdict[Place, dict[Place, str]] = defaultdict(dict)
    for path in pairs:
        for pair in read_jsonl(path):
            later, earlier = _place(pair["later"]), _place(pair["earlier"])
            if pair["equal"]:
                equals[later] = pair["twin"]
            else:
                alike[later][earlier] = pair["twin"]
    cuts: defaultdict[int, list[Record]] = defaultdict(list)
    gone: set[Place] = set()
    for place in sorted(equals.keys() | alike.keys()):
        stays = [earlier for earlier in alike.get(place, ()) if earlier not in gone]
        if place in equals:
            reason, twin = "duplicate", equals[place]
        elif stays:
            reason, twin = "near_duplicate", alike[place][min(stays)]
        else:
            continue
        gone.add(place)
        cuts[place[0]].append({"row": place[1], "reason": reason, "twin": twin})
    for unit, path in enumerate(units):
        write_jsonl(path, cuts[unit])


def _place(pair: Sequence[int]) -> Place:
    unit, row = pair
    return unit, row


def cut_unit(
    rows: str | Path, cuts: str | Path, out: str | Path, dropped: str | Path
) -> tuple[StepCounts, StepCounts]:
    """Write the rows of a unit without those that go, and these beside them; return the counts of both steps."""
    exact, near = StepCounts("duplicates"), StepCounts("near_duplicates")
    goes = {cut["row"]: Drop(cut["reason"], cut["twin"]) for cut in read_jsonl(cuts)}
    with open_writer(out) as kept_handle, open_writer(dropped) as dropped_handle:
        for number, record in enumerate(read_seeds(rows)):
            drop = goes.get(number)
            step = exact if drop is not None and drop.reason == "duplicate" else near
            exact.records_in += 1
            if drop is None:
                near.records_out += 1
                kept_handle.write(dumps(record) + "\n")
            else:
                step.dropped[drop.reason] += 1
                dropped_handle.write(dumps(dropped_row(record, drop)) + "\n")
    exact.records_out = near.records_in = exact.records_in - exact.dropped.total()
    return exact, near
