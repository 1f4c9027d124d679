"""Lineage of records: their origin, and what each stage did to them.

A record of the pipeline has a field ``lineage``, an object to which each stage adds a key::

    {"seed": {...origin...}, "concepts": {...}, "instruction": {...}, "response": {...},
     "execution": {...}, "transformations": ["sanitize:raw", ...]}

Stages leave records without lineage as they are, so that their output on other files can be compared with other
implementations field by field.
"""

from __future__ import annotations

from typing import Any

from selfalign.core.jsonl import Record


def with_lineage(record: Record, stage: str, **facts: Any) -> Record:
    """Return a record with ``lineage[stage] = facts`` added; unchanged if it has no lineage.

    Args:
        record: the record.
        stage: key in the lineage.
        facts: value in the lineage, by name.
    """
    if "lineage" not in record:
        return record
    return {**record, "lineage": {**record["lineage"], stage: facts}}


def with_transformation(record: Record, name: str) -> Record:
    """Return a record with one more transformation; unchanged if it has no lineage.

    Args:
        record: the record.
        name: name of the transformation.
    """
    if "lineage" not in record:
        return record
    done = [*record["lineage"].get("transformations", []), name]
    return {**record, "lineage": {**record["lineage"], "transformations": done}}


def seed_origin(record: Record) -> dict[str, str]:
    """Return what is known of the source of a record's seed (package, version, license ...) as texts.

    Args:
        record: the record; a list in its lineage becomes one text with commas, an empty value is left out.
    """
    origin = record.get("lineage", {}).get("seed", {})
    texts = {
        name: ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        for name, value in origin.items()
        if value is not None
    }
    return {name: text for name, text in texts.items() if text}


def row_id(record: Record) -> str | None:
    """Return the id ``INDEX.SAMPLE`` of a row: index of its seed, number of its sample; None if it has no index.

    Args:
        record: the row.
    """
    index = record.get("index")
    if not isinstance(index, int) or isinstance(index, bool):
        return None
    sample = record.get("lineage", {}).get("sample", {}).get("number", 0)
    return f"{index}.{sample}"
