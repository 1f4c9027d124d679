"""Near-duplicates by MinHash and locality-sensitive hashing; each candidate is checked by its exact Jaccard similarity.

MinHash: Broder, "On the resemblance and containment of documents", 1997. Banding: Leskovec, Rajaraman, Ullman, "Mining
of Massive Datasets", chapter 3.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator
from functools import lru_cache
from typing import Protocol

from rensa import RMinHash, RMinHashLSH

SEED = 42

# Minimum probability that a pair exactly at the threshold becomes a candidate; more similar pairs have a higher one.
RECALL_AT_THRESHOLD = 0.97

# A word, and what stands between it and the word before.
_WORD = re.compile(r"(\W*)(\w+)")
OPERATORS = frozenset("+-*/%@&|^~<>=!")


class Settings(Protocol):
    """Settings of the near-duplicate detection."""

    @property
    def threshold(self) -> float:
        """Minimum Jaccard similarity of the shingle sets of near-duplicates, from 0 to 1."""
        ...

    @property
    def num_perm(self) -> int:
        """Number of hash functions in a signature."""
        ...

    @property
    def ngram(self) -> int:
        """Number of words in a shingle."""
        ...


def shingles(text: str, ngram: int, *, operators: bool = False) -> set[str]:
    """Return the set of word n-grams of a text; a text with fewer words is one shingle.

    Args:
        text: any text.
        ngram: number of words in a shingle.
        operators: keep the operators before each word as a part of it, so that code that differs only in operators is
            different, and other texts are never more similar than by their words.
    """
    words = [_operators(gap) + word if operators else word for gap, word in _WORD.findall(text)]
    if len(words) <= ngram:
        return {" ".join(words)}
    return {" ".join(words[start : start + ngram]) for start in range(len(words) - ngram + 1)}


@lru_cache(maxsize=4096)
def _operators(gap: str) -> str:
    return "".join(character for character in gap if character in OPERATORS)


def jaccard(one: set[str], other: set[str]) -> float:
    """Return the Jaccard similarity of two sets, from 0 to 1; that of two empty sets is 1.

    Args:
        one: shingles of one text.
        other: shingles of the other text.
    """
    union = len(one | other)
    return len(one & other) / union if union else 1.0


def count_bands(threshold: float, num_perm: int) -> int:
    """Return the smallest number of bands that divides a signature and finds pairs at the threshold.

    With b bands of r rows, a pair of similarity t agrees in at least one band with probability 1 - (1 - t^r)^b.

    Args:
        threshold: Jaccard similarity from which texts are near-duplicates.
        num_perm: number of hash functions in a signature.
    """
    for rows in range(num_perm, 0, -1):
        bands, rest = divmod(num_perm, rows)
        if not rest and 1 - (1 - threshold**rows) ** bands >= RECALL_AT_THRESHOLD:
            return bands
    return num_perm


class NearDuplicates:
    """An index of the texts kept so far, which finds the near-duplicates of a text among them.

    With :meth:`add`, the first of several near-duplicates is kept, so the outcome of a text depends on earlier texts
    only. Memory grows with the kept texts: 4 bytes per permutation and 8 bytes per shingle.

    Args:
        settings: threshold, number of permutations and shingle size.
        operators: whether operators count; see :func:`shingles`.
    """

    def __init__(self, settings: Settings, *, operators: bool = False) -> None:
        self._settings = settings
        self._operators = operators
        bands = count_bands(settings.threshold, settings.num_perm)
        self._index = RMinHashLSH(settings.threshold, settings.num_perm, bands)
        self._kept: list[array[int]] = []

    def add(self, text: str) -> int | None:
        """Return the number of a kept text that `text` is a near-duplicate of; if there is none, keep `text`.

        Args:
            text: the next text.

        Returns:
            the number of the kept text, from 0 in the order in which texts were kept; None if `text` was kept.
        """
        signature, hashes = self._sign(text)
        duplicate_of = next(self._similar(signature, hashes), None)
        if duplicate_of is None:
            self._keep(signature, hashes)
        return duplicate_of

    def add_to_all(self, text: str) -> list[int]:
        """Keep `text`; return the numbers of the texts kept before that it is a near-duplicate of, in order.

        Args:
            text: the next text.
        """
        signature, hashes = self._sign(text)
        found = list(self._similar(signature, hashes))
        self._keep(signature, hashes)
        return found

    def _sign(self, text: str) -> tuple[RMinHash, set[int]]:
        parts = shingles(text, self._settings.ngram, operators=self._operators)
        signature = RMinHash(self._settings.num_perm, SEED)
        signature.update(sorted(parts))
        return signature, hash_shingles(parts)

    def _similar(self, signature: RMinHash, hashes: set[int]) -> Iterator[int]:
        for candidate in sorted(self._index.query(signature)):
            if overlap(hashes, self._kept[candidate]) >= self._settings.threshold:
                yield candidate

    def _keep(self, signature: RMinHash, hashes: set[int]) -> None:
        self._index.insert(len(self._kept), signature)
        self._kept.append(array("q", hashes))


def hash_shingles(parts: set[str]) -> set[int]:
    """Return Python's hashes of shingles, which are comparable within one process only.

    Args:
        parts: shingles of a text.
    """
    return {hash(part) for part in parts}


def overlap(hashes: set[int], other: array[int]) -> float:
    """Return the Jaccard similarity of two sets of hashed shingles, from 0 to 1.

    Args:
        hashes: hashed shingles of one text.
        other: hashed shingles of the other text, as an array of distinct values.
    """
    common = len(hashes.intersection(other))
    return common / (len(hashes) + len(other) - common)
