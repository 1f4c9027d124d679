"""Contamination as a filter of records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from selfalign.contamination.index import ContaminationIndex, Match
from selfalign.core.fences import iter_blocks
from selfalign.core.jsonl import Record
from selfalign.core.lineage import with_transformation
from selfalign.core.outcomes import Drop, Filter, Keep, Outcome


def contamination_filter(index: ContaminationIndex, fields: Sequence[str]) -> Filter:
    """Return a filter that drops records in whose `fields` a benchmark's text is found, and says which."""

    def is_clean(record: Record) -> Outcome:
        for field in fields:
            text = record.get(field) or ""
            match = index.find(text, field)
            if match is not None:
                return Drop("contaminated", _in_code(index, text, match).to_json())
        return Keep(with_transformation(record, "decontaminate"))

    return is_clean


def _in_code(index: ContaminationIndex, text: str, match: Match) -> Match:
    """Return the match within the fenced code of `text` where there is one: it says more than its field."""
    found = index.find("\n".join(block.code for block in iter_blocks(text)))
    return match if found is None else replace(found, field="code")
