"""Sources streamed from the hub: The Stack v1 dedup, with its licences and opt-outs, and published sets of seeds."""

from __future__ import annotations

import base64
import datetime
import decimal
import gzip
import math
import re
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pydantic_core

from selfalign.core.config.seeds import SourcesConfig
from selfalign.core.errors import ConfigError, DataError, SelfalignError
from selfalign.core.jsonl import Record, parse_record
from selfalign.hub import check_file, explain_failure
from selfalign.seeds.functions import text_sha1
from selfalign.seeds.sources import SourceFile

# Rows of a Parquet file that are read at a time.
ROWS = 1000
JSON_LINES = re.compile(r"\.(jsonl|json|ndjson)(\.gz)?$")
# Columns of The Stack v1, as in its data card: the most-starred repository of a file, and its licences there.
REPOSITORY, PATH, LICENSES, COMMIT = (
    "max_stars_repo_name",
    "max_stars_repo_path",
    "max_stars_repo_licenses",
    "max_stars_repo_head_hexsha",
)


def read_stack(sources: SourcesConfig, file: str) -> Iterator[SourceFile]:
    """Yield the files of one data file of The Stack; files whose repository or owner opted out have no content.

    Args:
        sources: the source.
        file: data file within the data set.

    Raises:
        DataError: a row lacks a column of The Stack.
        ConfigError: the hub has no such data set, revision or file for this user.
        InfrastructureError: the hub cannot be reached or fails.
    """
    out = read_opt_outs(sources.opt_out) if sources.opt_out else frozenset()
    for number, row in enumerate(stream_rows(sources.dataset, sources.revision, file)):
        for column in (sources.column, REPOSITORY, PATH, LICENSES):
            if row.get(column) is None:
                raise DataError(
                    "expected a column of The Stack v1", file=file, record=number + 1, field=column
                )
        repository = row[REPOSITORY]
        origin = {
            "dataset": sources.dataset,
            "revision": sources.revision,
            "repository": repository,
            "commit": row.get(COMMIT),
            "license": ", ".join(row[LICENSES]),
        }
        if opted_out(repository, out):
            yield SourceFile(row[PATH], b"", origin, excluded="opted_out")
        else:
            yield SourceFile(row[PATH], row[sources.column].encode("utf-8", "surrogatepass"), origin)


def read_seeds(sources: SourcesConfig, file: str) -> Iterator[Record]:
    """Yield the rows of one data file of a published set of seeds, with their lineage.

    Args:
        sources: the source.
        file: data file within the data set.

    Raises:
        DataError: a row has no string in the configured column.
        ConfigError: the hub has no such data set, revision or file for this user.
        InfrastructureError: the hub cannot be reached or fails.
    """
    for number, row in enumerate(stream_rows(sources.dataset, sources.revision, file)):
        seed = row.get(sources.column)
        if not isinstance(seed, str):
            raise DataError("expected a seed's text", file=file, record=number + 1, field=sources.column)
        origin = {"dataset": sources.dataset, "revision": sources.revision, "file": file, "record": number}
        yield {
            "seed": seed,
            "sha1": text_sha1(seed),
            "path": file,
            "line": number,
            "lineage": {"seed": origin},
        }


def read_opt_outs(path: str | Path) -> frozenset[str]:
    """Return the repositories (``owner/name``) and owners of a list of opt-outs, in lower case.

    Args:
        path: text file with one repository or owner per line; lines that start with ``#`` are ignored.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise DataError(f"seeds.sources.opt_out cannot be read ({error.strerror})", file=path) from None
    return frozenset(line.strip().lower() for line in lines if line.strip() and not line.startswith("#"))


def opted_out(repository: str, out: Iterable[str]) -> bool:
    """Return whether a repository or its owner opted out.

    Args:
        repository: ``owner/name``.
        out: opt-outs, by :func:`read_opt_outs`.
    """
    name = repository.lower()
    return name in out or name.partition("/")[0] in out


def stream_rows(dataset: str, revision: str | None, file: str) -> Iterator[Record]:
    """Yield the rows of a data file, with values that JSON can represent.

    Args:
        dataset: id of the data set on the hub, or path of a directory.
        revision: revision on the hub; None for a directory.
        file: Parquet or JSON Lines file within the data set.

    Raises:
        ConfigError: there is no such data set, revision or file for this user.
        DataError: the file is neither Parquet nor JSON Lines, or a value has no representation in JSON.
        InfrastructureError: the hub cannot be reached or fails.
    """
    import datasets
    import pyarrow as pa

    # JSON Lines files are read as text, one row per line: Arrow would infer types, such as dates and floats.
    builder = "parquet" if file.endswith(".parquet") else "text"
    if builder == "text" and not JSON_LINES.search(file):
        raise ConfigError(
            f"{file}: expected a name that ends in .parquet, .jsonl or .json, the latter perhaps .gz"
        )
    local = Path(dataset).is_dir()
    if local and not (Path(dataset) / file).is_file():
        raise ConfigError(f"{Path(dataset) / file}: there is no such data file; check the name")
    if not local:
        check_file("dataset", dataset, revision or "main", file)
    path = str(Path(dataset) / file) if local else f"hf://datasets/{dataset}@{revision}/{file}"
    try:
        if builder == "parquet":
            yield from _read_parquet(path, file)
        else:
            lines = datasets.load_dataset(builder, data_files=path, split="train", streaming=True)
            texts = (line["text"] for line in lines)
            for number, text in enumerate(filter(str.strip, texts), start=1):
                yield parse_record(text, file, number)
    except SelfalignError:
        raise
    except (
        pa.ArrowException,
        ValueError,
        gzip.BadGzipFile,
        EOFError,
    ) as error:  # ValueError: no text, or no such type
        first = str(error).strip().splitlines()[0]
        raise DataError(f"expected rows as Parquet or JSON Lines ({first})", file=file) from None
    except Exception as error:
        failure = None if local else explain_failure(error, "dataset", dataset, revision, file)
        raise failure or error from None


def _read_parquet(path: str, file: str) -> Iterator[Record]:
    """Yield the rows of a Parquet file; by pyarrow, since the library datasets does not know all of its types."""
    import fsspec
    import pyarrow.parquet as pq

    with fsspec.open(path, "rb") as handle:
        number = 0
        for batch in pq.ParquetFile(handle).iter_batches(ROWS):
            for row in batch.to_pylist():
                number += 1
                yield {column: _to_json(value, file, number, column) for column, value in row.items()}


def _to_json(value: Any, file: str, number: int, column: str) -> Any:  # noqa: PLR0911 - a return for each kind of value
    """Return a value of a Parquet column as a JSON value.

    Times and durations are text in ISO 8601, decimals, infinities and UUIDs text, bytes text in base64; a map is a list of pairs
    of key and value, and NaN is null.

    Raises:
        DataError: the value has another type.
    """
    match value:
        case float() if not math.isfinite(value):
            return None if math.isnan(value) else str(value)
        case None | bool() | int() | float() | str():
            return value
        case datetime.timedelta() | decimal.Decimal() | uuid.UUID() if not hasattr(value, "isoformat"):
            return pydantic_core.to_jsonable_python(value)
        case datetime.date() | datetime.time() | datetime.timedelta():  # with nanoseconds they are of pandas
            return value.isoformat()  # pyright: ignore[reportAttributeAccessIssue]
        case bytes():
            return base64.b64encode(value).decode("ascii")
        case list() | tuple():
            return [_to_json(each, file, number, column) for each in value]
        case dict():  # a struct, whose keys are strings
            return {key: _to_json(each, file, number, column) for key, each in value.items()}
    raise DataError(
        f"expected a type that JSON can represent, found {type(value).__name__}",
        file=file,
        record=number,
        field=column,
    )
