"""Near-duplicates on many nodes: the MinHash stages of datatrove, each a job of its own over a unit or a band.

Signatures a unit, matching pairs a band, clusters once, and the cut a unit. A match of one band is enough: no
candidate is checked, so the bands are chosen to put the chance of a match at one half near the threshold.
Of a cluster the first row stays, in the order of the units. Exact duplicates are near-duplicates too.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from datatrove.data import Document
from datatrove.io import get_datafolder
from datatrove.pipeline.base import PipelineStep
from datatrove.pipeline.dedup.minhash import (
    MinhashConfig,
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupSignature,
)
from datatrove.utils.hashing import HashConfig, create_hash_func

from selfalign.core.config.seeds import NearDuplicatesConfig
from selfalign.core.jsonl import Record, read_jsonl, write_jsonl
from selfalign.core.outcomes import Drop, Keep, Outcome, StepCounts, apply_filters
from selfalign.dedup.bands import steep_bands
from selfalign.dedup.minhash import shingles
from selfalign.seeds.steps import read_seeds


def write_signatures(rows: str | Path, folder: str | Path, rank: int, settings: NearDuplicatesConfig) -> None:
    """Write the signatures of a unit: ``folder/bucket_<band>/<rank>.minhash.sig``, sorted.

    Args:
        rank: the unit's place among all units, from 0.
    """
    documents = (
        Document(text=row["seed"], id=f"{rank}/{number}") for number, row in enumerate(read_seeds(rows))
    )
    _Signature(str(folder), settings).run(documents, rank)  # pyright: ignore[reportArgumentType]


def write_pairs(
    signatures: str | Path, folder: str | Path, band: int, settings: NearDuplicatesConfig
) -> None:
    """Write the pairs of rows, of all units, whose signatures agree in a band: ``folder/<band>_00.dups``."""
    config = _config(settings)
    step = MinhashDedupBuckets(str(signatures), str(folder), config=config)
    step.run(rank=band, world_size=config.num_buckets)


def write_cuts(
    pairs: str | Path,
    work: str | Path,
    units: Sequence[str | Path],
    settings: NearDuplicatesConfig,
) -> None:
    """Join the pairs to clusters and write, for each unit, the rows to drop: ``row`` and its ``twin``.

    Args:
        work: directory for datatrove's own files.
        units: the files to write, in the order of the units.
    """
    MinhashDedupCluster(str(pairs), str(work), config=_config(settings), save_cluster_id=True).run()
    first: dict[int, str] = {}
    for rank, path in enumerate(units):
        write_jsonl(path, _cuts(Path(work) / f"{rank:06d}.clusters", rank, first))


def _cuts(clusters: Path, rank: int, first: dict[int, str]) -> Iterator[Record]:
    """Yield the rows of a unit that are not the first of their cluster; remember the first ones."""
    members = struct.iter_unpack("<2I", clusters.read_bytes()) if clusters.exists() else iter(())
    for row, cluster in sorted(members):
        name = f"{rank}/{row}"
        if cluster in first:
            yield {"row": row, "twin": first[cluster]}
        else:
            first[cluster] = name


def cut_unit(rows: str | Path, cuts: str | Path, out: str | Path, dropped: str | Path) -> StepCounts:
    """Write the rows of a unit without those to drop; the detail of a dropped row is its twin, unit/row."""
    twins = {cut["row"]: cut["twin"] for cut in read_jsonl(cuts)}
    places = iter(range(1 << 62))

    def is_first(record: Record) -> Outcome:
        twin = twins.get(next(places))
        return Keep(record) if twin is None else Drop("near_duplicate", twin)

    return apply_filters("near_duplicates", read_seeds(rows), [is_first], out, dropped)


class _Signature(MinhashDedupSignature):
    """datatrove's signature over our shingles, so that both ways compare the same sets."""

    def __init__(self, folder: str, settings: NearDuplicatesConfig) -> None:
        # Not its own: that loads a tokenizer for a natural language, from a package nobody needs here.
        PipelineStep.__init__(self)
        self.output_folder = get_datafolder(folder)
        self.config = _config(settings)
        self.num_hashes = self.config.num_buckets * self.config.hashes_per_bucket
        self.skip_existing_sigs = False
        self._parameters = None
        self._hash: Callable[[str], int] = cast(Any, create_hash_func(self.config.hash_config))
        self._ngram = settings.ngram

    def get_shingles(self, text: str) -> np.ndarray:
        hashes = (self._hash(each) for each in sorted(shingles(text, self._ngram)))
        return np.fromiter(hashes, dtype=np.uint64).reshape((-1, 1))


def _config(settings: NearDuplicatesConfig) -> MinhashConfig:
    bands, rows = steep_bands(settings.threshold, settings.permutations)
    return MinhashConfig(
        n_grams=settings.ngram,
        num_buckets=bands,
        hashes_per_bucket=rows,
        hash_config=HashConfig(precision=64, hash_fc="sha1"),
    )
