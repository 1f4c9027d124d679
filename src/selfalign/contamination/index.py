"""Contamination index: all patterns in one Aho-Corasick automaton (Aho and Corasick 1975, CACM 18(6))."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import ahocorasick_rs

from selfalign.benchmarks import Benchmark
from selfalign.contamination.patterns import NGRAM, Pattern, patterns_of, words_of
from selfalign.core.code_blocks import iter_blocks
from selfalign.core.config.contamination import GENERIC_ONE_LINERS
from selfalign.core.filtering import Drop, Filter, Keep, Outcome
from selfalign.core.jsonl import Record
from selfalign.core.lineage import with_transformation


@dataclass(frozen=True, slots=True)
class Match:
    """A pattern found in a text.

    Attributes:
        pattern: the pattern, with its benchmark, task and part.
        field: field of the record that contains it; ``code`` for the fenced code blocks of a response.
    """

    pattern: Pattern
    field: str

    def to_json(self) -> dict[str, Any]:
        """Return the match as it is stored with a dropped row."""
        found = asdict(self.pattern)
        return {
            "benchmark": found["benchmark"],
            "task": found["task"],
            "part": found["part"],
            "text": found["words"],
            "field": self.field,
        }


class ContaminationIndex:
    """Find patterns of benchmarks in texts, in one pass over a text whatever the number of patterns.

    Args:
        patterns: patterns to look for; the first of several equal ones is reported.
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
        """Return the index of all patterns of benchmarks; see :func:`patterns_of`.

        Args:
            benchmarks: benchmarks, with their tasks.
            ngram: number of consecutive words that count as overlap.
            exempt: texts that never count as overlap.
        """
        return cls(pattern for benchmark in benchmarks for pattern in patterns_of(benchmark, ngram, exempt))

    def __len__(self) -> int:
        return len(self._patterns)

    def find(self, text: str, field: str = "text") -> Match | None:
        """Return the first pattern found in a text, or None.

        Args:
            text: text to search.
            field: name of the field, for the match.
        """
        hits = self._automaton.find_matches_as_indexes(f" {words_of(text)} ")
        return Match(self._patterns[hits[0][0]], field) if hits else None


def contamination_filter(index: ContaminationIndex, fields: Sequence[str]) -> Filter:
    """Return the filter that drops records that contain a benchmark's text; its detail is the match.

    Args:
        index: the patterns to look for.
        fields: names of the record's fields to search.
    """

    def is_clean(record: Record) -> Outcome:
        for field in fields:
            text = record.get(field) or ""
            match = index.find(text, field)
            if match is not None:
                return Drop("contaminated", _prefer_code(index, text, match).to_json())
        return Keep(with_transformation(record, "decontaminate"))

    return is_clean


def _prefer_code(index: ContaminationIndex, text: str, match: Match) -> Match:
    """Return the match within the fenced code of `text`, which is more specific, or else `match`."""
    found = index.find("\n".join(block.code for block in iter_blocks(text)))
    return match if found is None else replace(found, field="code")
