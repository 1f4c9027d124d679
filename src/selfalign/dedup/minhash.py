"""Near-duplicates by MinHash and locality-sensitive hashing, each candidate checked by its exact Jaccard similarity.

MinHash: Broder, "On the resemblance and containment of documents", 1997.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Iterator
from typing import Protocol

from rensa import RMinHash, RMinHashLSH  # pyright: ignore[reportAttributeAccessIssue]

from selfalign.dedup.bands import count_bands

SEED = 42

_WORD = re.compile(r"\w+")


class Settings(Protocol):
    """What decides which texts are alike."""

    @property
    def threshold(self) -> float:
        """Jaccard similarity of the sets of shingles from which two texts are one."""
        ...

    @property
    def num_perm(self) -> int:
        """Hash functions of a signature."""
        ...

    @property
    def ngram(self) -> int:
        """Words of a shingle."""
        ...


def shingles(text: str, ngram: int) -> set[str]:
    """Return the set of runs of `ngram` words of `text`; a shorter text is one shingle."""
    words = _WORD.findall(text)
    if len(words) <= ngram:
        return {" ".join(words)}
    return {" ".join(words[start : start + ngram]) for start in range(len(words) - ngram + 1)}


def jaccard(one: set[str], other: set[str]) -> float:
    """Return the share of the union that both sets have; two empty sets are alike."""
    union = len(one | other)
    return len(one & other) / union if union else 1.0


class NearDuplicates:
    """The texts kept so far, to be asked whether the next one is like any of them.

    The first of several stays, so a text's fate depends on earlier ones only.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        bands = count_bands(settings.threshold, settings.num_perm)
        self._index = RMinHashLSH(settings.threshold, settings.num_perm, bands)
        self._kept: list[array[int]] = []

    def add(self, text: str) -> int | None:
        """Return the number (from 0, in the order of keeping) of a kept text it is like; else keep it."""
        parts = shingles(text, self._settings.ngram)
        signature = RMinHash(self._settings.num_perm, SEED)
        signature.update(sorted(parts))
        hashes = hash_shingles(parts)
        for candidate in sorted(self._index.query(signature)):
            if overlap(hashes, self._kept[candidate]) >= self._settings.threshold:
                return candidate
        self._index.insert(len(self._kept), signature)
        self._kept.append(array("q", hashes))
        return None


def hash_shingles(parts: set[str]) -> set[int]:
    """Return Python's own hashes of shingles: to compare within one process, which hashed both sides itself."""
    return {hash(part) for part in parts}


def overlap(hashes: set[int], other: array[int]) -> float:
    """Return the Jaccard similarity of two sets of hashed shingles, the other as an array without repetitions."""
    common = len(hashes.intersection(other))
    return common / (len(hashes) + len(other) - common)


def near_duplicates(texts: Iterable[str], settings: Settings) -> Iterator[int | None]:
    """Yield, for each text, the position (from 0) of the earlier kept text it is like, or None: it is kept."""
    index = NearDuplicates(settings)
    kept: list[int] = []
    for position, text in enumerate(texts):
        twin = index.add(text)
        if twin is None:
            kept.append(position)
        yield None if twin is None else kept[twin]


def exact_duplicates(texts: Iterable[str], settings: Settings) -> Iterator[int | None]:
    """Yield what :func:`near_duplicates` would if it compared every pair: the measure of its recall."""
    kept: list[tuple[int, set[str]]] = []
    for position, text in enumerate(texts):
        parts = shingles(text, settings.ngram)
        twin = next((p for p, other in kept if _could_reach(parts, other, settings.threshold)), None)
        if twin is None:
            kept.append((position, parts))
        yield twin


def _could_reach(one: set[str], other: set[str], threshold: float) -> bool:
    """Whether two sets are alike; the sizes alone settle most pairs."""
    small, large = sorted((len(one), len(other)))
    return small >= threshold * large and jaccard(one, other) >= threshold
