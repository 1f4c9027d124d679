"""Deduplication on many nodes, first half: find candidate pairs with datatrove's MinHash stages.

One job per unit computes signatures, and one job per band collects the pairs that agree in it, which
:mod:`selfalign.seeds.minhash_cuts` checks. The bands are those of the index in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
from datatrove.data import Document
from datatrove.io import get_datafolder
from datatrove.pipeline.base import PipelineStep
from datatrove.pipeline.dedup.minhash import (
    MinhashConfig,
    MinhashDedupBuckets,
    MinhashDedupSignature,
)
from datatrove.utils.hashing import HashConfig, create_hash_func
from datatrove.utils.logging import logger

from selfalign.core.config.seeds import NearDuplicatesConfig
from selfalign.dedup import count_bands, shingles
from selfalign.seeds.pool import read_seeds


def write_signatures(rows: str | Path, folder: str | Path, rank: int, settings: NearDuplicatesConfig) -> None:
    """Write the signatures of a unit: ``folder/bucket_<band>/<rank>.minhash.sig``, sorted.

    Args:
        rows: JSON Lines file of the unit's seeds.
        folder: directory of the signatures of all units.
        rank: number of the unit among all units, from 0.
        settings: number of permutations and shingle size.

    Raises:
        DataError: a row has no string ``seed``.
    """
    documents = (
        Document(text=row["seed"], id=f"{rank}/{number}") for number, row in enumerate(read_seeds(rows))
    )
    with _quiet():
        _Signature(str(folder), settings).run(documents, rank)


def write_pairs(
    signatures: str | Path, folder: str | Path, band: int, settings: NearDuplicatesConfig
) -> None:
    """Write the neighbours among the rows of all units that agree in a band: ``folder/<band>_00.dups``.

    Of rows a, b, c that agree, in the order of the units, the neighbours are (a, b) and (b, c).

    Args:
        signatures: directory of the signatures of all units.
        folder: directory to write to.
        band: number of the band, from 0.
        settings: threshold and number of permutations.
    """
    config = _config(settings)
    step = MinhashDedupBuckets(str(signatures), str(folder), config=config)
    with _quiet():
        step.run(rank=band, world_size=config.num_buckets)


@contextmanager
def _quiet() -> Iterator[None]:
    """Disable datatrove's own logger, which would print its progress to the terminal."""
    logger.disable("datatrove")
    try:
        yield
    finally:
        logger.enable("datatrove")


class _Signature(MinhashDedupSignature):
    """datatrove's signature, computed over the shingles of :mod:`selfalign.dedup`."""

    def __init__(self, folder: str, settings: NearDuplicatesConfig) -> None:
        # Not the parent's: it loads a tokenizer for natural language, from a package that is not needed here.
        PipelineStep.__init__(self)
        self.output_folder = get_datafolder(folder)
        self.config = _config(settings)
        self.num_hashes = self.config.num_buckets * self.config.hashes_per_bucket
        self.skip_existing_sigs = False
        self._parameters = None
        self._hash: Callable[[str], int] = cast(Any, create_hash_func(self.config.hash_config))
        self._shingles = partial(shingles, ngram=settings.ngram, operators=settings.operators)

    def get_shingles(self, text: str) -> np.ndarray:
        hashes = (self._hash(each) for each in sorted(self._shingles(text)))
        return np.fromiter(hashes, dtype=np.uint64).reshape((-1, 1))


def _config(settings: NearDuplicatesConfig) -> MinhashConfig:
    bands = count_bands(settings.threshold, settings.num_perm)
    return MinhashConfig(
        n_grams=settings.ngram,
        num_buckets=bands,
        hashes_per_bucket=settings.num_perm // bands,
        hash_config=HashConfig(precision=64, hash_fc="sha1"),
    )
