"""The index: all patterns in one Aho-Corasick automaton (Aho and Corasick 1975, CACM 18(6))."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from typing import Any

import ahocorasick_rs

from selfalign.benchmarks import Benchmark
from selfalign.contamination.patterns import NGRAM, Pattern, patterns_of, words_of
from selfalign.core.config.contamination import GENERIC_ONE_LINERS


@dataclass(frozen=True, slots=True)
class Match:
    """What was found where.

    Attributes:
        pattern: the benchmark's text, task and part.
        field: the field of the record it was found in; ``code`` for the fenced blocks of a response.
    """

    pattern: Pattern
    field: str

    def to_json(self) -> dict[str, Any]:
        """Return the match as it is kept beside a dropped row."""
        found = asdict(self.pattern)
        return {
            "benchmark": found["benchmark"],
            "task": found["task"],
            "part": found["part"],
            "text": found["words"],
            "field": self.field,
        }


class ContaminationIndex:
    """Finds the words of benchmarks in texts; one pass over a text, however many patterns there are.

    Args:
        patterns: the first of several equal patterns is the one that is reported.
    """

    def __init__(self, patterns: Iterable[Pattern]) -> None:
        first: dict[str, Pattern] = {}
        for pattern in patterns:
            first.setdefault(pattern.words, pattern)
        self._patterns = list(first.values())
        self._automaton = ahocorasick_rs.AhoCorasick(
            [f" {pattern.words} " for pattern in self._patterns],
            matchkind=ahocorasick_rs.MatchKind.Standard,
        )

    @classmethod
    def of(
        cls, benchmarks: Iterable[Benchmark], ngram: int = NGRAM, exempt: Collection[str] = GENERIC_ONE_LINERS
    ) -> ContaminationIndex:
        """Return the index of all patterns of `benchmarks`; see :func:`patterns_of`."""
        return cls(pattern for benchmark in benchmarks for pattern in patterns_of(benchmark, ngram, exempt))

    def __len__(self) -> int:
        return len(self._patterns)

    def find(self, text: str, field: str = "text") -> Match | None:
        """Return the first pattern found in `text`, or None."""
        hits = self._automaton.find_matches_as_indexes(f" {words_of(text)} ")
        return Match(self._patterns[hits[0][0]], field) if hits else None
