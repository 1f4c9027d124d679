"""Rows of a later stage from a published data set, to continue the pipeline from there."""

from __future__ import annotations

import contextlib
import json
import logging
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from selfalign.core.config.start import Stage, StartConfig
from selfalign.core.errors import ConfigError, DataError
from selfalign.core.filtering import StepCounts
from selfalign.core.hashing import file_sha256
from selfalign.core.jsonl import Record, check_lineage, require, write_jsonl
from selfalign.hub import list_files
from selfalign.seeds.sources.hub import stream_rows

log = logging.getLogger(__name__)

# Fields that the next stage reads, with their types.
FIELDS: dict[Stage, dict[str, type]] = {
    "seeds": {"seed": str},
    "concepts": {"concepts": list},
    "instructions": {"instruction": str},
    "responses": {"instruction": str, "response": str},
    "filtered": {"instruction": str, "response": str},
    "dataset": {"instruction": str, "response": str},
}
# Of a data set without a list of files; other files that end in .json hold metadata.
_DATA_FILE = re.compile(r"\.(parquet|(jsonl|ndjson)(\.gz)?)$")


def import_rows(settings: StartConfig, out: str | Path) -> StepCounts:
    """Write the rows of the configured data set as records of its stage; return the counts of the step. Constant memory.

    Each record gets an ``index``, its position in all files, and a ``lineage``.

    Args:
        settings: stage, data set, and columns to rename.
        out: JSON Lines file of the records.

    Raises:
        ConfigError: the hub has no such data set, revision or file for this user, or the data set has no data files.
        DataError: a row lacks a field of the stage or has it in another type, or a column cannot be renamed.
        InfrastructureError: the hub cannot be reached or fails.
    """
    counts = StepCounts("import")
    counts.records_in = counts.records_out = write_jsonl(out, _stage_rows(settings))
    log.info("%d rows imported", counts.records_in)
    return counts


def data_files(settings: StartConfig) -> list[str]:
    """Return the names of the data files, within the data set.

    Args:
        settings: data set and its files.

    Raises:
        ConfigError: the hub has no such data set or revision for this user, or it has no data files.
        InfrastructureError: the hub cannot be reached or fails.
    """
    if settings.files:
        return settings.files
    dataset = str(settings.dataset)
    if settings.is_local:
        files = [path for path in Path(dataset).rglob("*") if path.is_file()]
        names = [path.relative_to(dataset).as_posix() for path in files]
    else:
        names = list_files("dataset", dataset, str(settings.revision))
    found = sorted(name for name in names if _DATA_FILE.search(name))
    if not found:
        raise ConfigError(
            f"configuration: 'start.dataset' is '{dataset}'; expected Parquet or JSON Lines files in it, found none"
        )
    return found


def read_stage(
    dataset: str, revision: str | None, file: str, rename: Mapping[str, str], start: int = 0
) -> Iterator[Record]:
    """Yield the rows of a data file as records of a stage.

    Args:
        dataset: id of the data set on the hub, or path of a directory.
        revision: commit hash on the hub; None for a directory.
        file: data file within the data set.
        rename: field name of each column to rename; other columns keep their names.
        start: ``index`` of the first row.

    Raises:
        ConfigError: the hub has no such data set, revision or file for this user, or two columns are renamed to one field.
        DataError: a column to rename is missing, or another column already has its new name.
        InfrastructureError: the hub cannot be reached or fails.
    """
    fields = list(rename.values())
    if taken := sorted({name for name in fields if fields.count(name) > 1}):
        raise ConfigError(f"two columns are renamed to '{taken[0]}'; give each a name of its own")
    if "index" in fields:
        raise ConfigError(
            "no column can be renamed to 'index', which numbers the records; choose another name"
        )
    local = Path(dataset) / file
    origin = {"dataset": dataset, "revision": revision, "file": file}
    if local.is_file():
        origin["sha256"] = file_sha256(local)
    for number, row in enumerate(stream_rows(dataset, revision, file), start=1):
        if missing := sorted(rename.keys() - row.keys()):
            raise DataError("expected this column", file=file, record=number, field=missing[0])
        kept = row.keys() - rename.keys()
        if twice := sorted(column for column, field in rename.items() if field in kept):
            raise DataError(
                f"cannot be renamed to '{rename[twice[0]]}', which is a column too; rename that one as well",
                file=file,
                record=number,
                field=twice[0],
            )
        record = {rename.get(column, column): value for column, value in row.items()}
        source = {**origin, "record": number - 1}
        record["lineage"] = _history(record.get("lineage"))
        check_lineage(record, file, number)
        history = record.pop("lineage", None) or {"seed": source}
        yield {**record, "index": start + number - 1, "lineage": {**history, "import": source}}


def _stage_rows(settings: StartConfig) -> Iterator[Record]:
    assert settings.stage is not None
    index = 0
    for file in data_files(settings):
        first = index
        for record in read_stage(str(settings.dataset), settings.revision, file, settings.rename, first):
            _check_fields(record, settings.stage, file, index - first + 1)
            yield record
            index += 1


def _check_fields(record: Record, stage: Stage, file: str, number: int) -> None:
    """Check the fields that the next stage reads."""
    for field, kind in FIELDS[stage].items():
        # Several responses to one request, as the stage writes them.
        several = stage == "responses" and field == "response" and "parsing_result" in record
        name = "parsing_result" if several else field
        value = require(record, name, list if several else kind, file=file, number=number)
        if isinstance(value, list):
            expected, item = ("objects", dict) if several else ("strings", str)
            if wrong := [each for each in value if not isinstance(each, item)]:
                raise DataError(
                    f"expected a list of {expected}, found {type(wrong[0]).__name__} in it",
                    file=file,
                    record=number,
                    field=name,
                )


def _history(value: Any) -> Any:
    """Return the lineage of a row; in Parquet files of :mod:`selfalign.curate.export` it is JSON text."""
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            return json.loads(value)
    return value
