"""Where a record comes from and what was done to it.

A record made by our pipeline carries ``lineage``, an object that grows by one key a stage::

    {"seed": {...origin...}, "concepts": {...}, "instruction": {...}, "response": {...},
     "execution": {...}, "transformations": ["sanitize:raw", ...]}

Stages that are run alone on somebody's plain files leave records without lineage as they are, so that
what they write can be compared with other implementations field by field.
"""

from __future__ import annotations

from typing import Any

from selfalign.core.jsonl import Record


def with_lineage(record: Record, stage: str, **facts: Any) -> Record:
    """Return `record` with ``lineage[stage] = facts`` added, where it carries lineage; else as it is."""
    if "lineage" not in record:
        return record
    return {**record, "lineage": {**record["lineage"], stage: facts}}


def with_transformation(record: Record, name: str) -> Record:
    """Return `record` with `name` appended to its list of transformations, where it carries lineage."""
    if "lineage" not in record:
        return record
    done = [*record["lineage"].get("transformations", []), name]
    return {**record, "lineage": {**record["lineage"], "transformations": done}}


def row_id(record: Record) -> str | None:
    """Return the name of a row of the pipeline: index of its seed, dot, number of its sample; None for others."""
    if not isinstance(record.get("index"), int):
        return None
    sample = record.get("lineage", {}).get("sample", {}).get("number", 0)
    return f"{record['index']}.{sample}"
