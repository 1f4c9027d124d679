"""Sources on a hub, streamed: The Stack v1 dedup with its licences and opt-outs, published sets of seeds."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from selfalign.core.config.seeds import SourcesConfig
from selfalign.core.errors import DataError, InfrastructureError
from selfalign.core.jsonl import Record
from selfalign.seeds.functions import text_sha1
from selfalign.seeds.source_file import SourceFile

# Columns of The Stack v1, as its data card names them: where a file was found most starred, and its licences there.
REPOSITORY, PATH, LICENSES, COMMIT = (
    "max_stars_repo_name",
    "max_stars_repo_path",
    "max_stars_repo_licenses",
    "max_stars_repo_head_hexsha",
)


def read_stack(sources: SourcesConfig, file: str) -> Iterator[SourceFile]:
    """Yield the files of one data file of The Stack; those whose repository or owner opted out only by name.

    Raises:
        DataError: a row lacks a column The Stack has.
        InfrastructureError: the hub cannot be reached or refuses this user.
    """
    out = read_opt_outs(sources.opt_out) if sources.opt_out else frozenset()
    for number, row in enumerate(_stream(sources, file)):
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
    """Yield the rows of one data file of a published set of seeds, with where each comes from.

    Raises:
        DataError: a row has no string in the configured column.
        InfrastructureError: the hub cannot be reached or refuses this user.
    """
    for number, row in enumerate(_stream(sources, file)):
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


def read_stage(
    dataset: str, revision: str, file: str, rename: Mapping[str, str], start: int = 0
) -> Iterator[Record]:
    """Yield the rows of a published intermediate data set as records of a stage, to go on from there.

    Args:
        file: data file within the data set.
        rename: our name of a field by its column's; other columns keep theirs.
        start: ``index`` of the first row.

    Raises:
        DataError: a column to be renamed is not there.
        InfrastructureError: the hub cannot be reached or refuses this user.
    """
    sources = SourcesConfig(kind="hub", dataset=dataset, revision=revision, files=[file])
    for number, row in enumerate(_stream(sources, file)):
        if missing := sorted(rename.keys() - row.keys()):
            raise DataError("expected this column", file=file, record=number + 1, field=missing[0])
        fields = {rename.get(column, column): value for column, value in row.items()}
        origin = {"dataset": dataset, "revision": revision, "file": file, "record": number}
        lineage = _history(fields.get("lineage"), file, number + 1) or {"seed": origin}
        yield {**fields, "index": start + number, "lineage": lineage}


def _history(value: Any, file: str, number: int) -> dict[str, Any] | None:
    """Return the lineage a row brings; in our own Parquet files it is JSON text."""
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            value = json.loads(value)
    if value is None or isinstance(value, dict):
        return value
    raise DataError("expected an object, or one as JSON text", file=file, record=number, field="lineage")


def read_opt_outs(path: str | Path) -> frozenset[str]:
    """Return the repositories (``owner/name``) and owners of a list of opt-outs, one a line, in lower case."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise DataError(f"seeds.sources.opt_out cannot be read ({error.strerror})", file=path) from None
    return frozenset(line.strip().lower() for line in lines if line.strip() and not line.startswith("#"))


def opted_out(repository: str, out: Iterable[str]) -> bool:
    """Whether a repository, or its owner, is among the opt-outs."""
    name = repository.lower()
    return name in out or name.partition("/")[0] in out


def _stream(sources: SourcesConfig, file: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of a data file; a path to a local file in place of the data set's name is read as well."""
    import datasets
    import pyarrow as pa
    from datasets.exceptions import DatasetNotFoundError
    from huggingface_hub.errors import HfHubHTTPError

    local = Path(sources.dataset) / file
    try:
        if local.exists():
            kind = "parquet" if file.endswith(".parquet") else "json"
            rows = datasets.load_dataset(kind, data_files=str(local), split="train", streaming=True)
        else:
            rows = datasets.load_dataset(
                sources.dataset, revision=sources.revision, data_files=file, split="train", streaming=True
            )
        yield from rows
    except (pa.ArrowException, UnicodeDecodeError) as error:
        first = str(error).strip().splitlines()[0]
        raise DataError(f"expected rows as Parquet or JSON Lines ({first})", file=file) from None
    except (DatasetNotFoundError, HfHubHTTPError, ConnectionError, OSError) as error:
        first = str(error).strip().splitlines()[0]
        raise InfrastructureError(
            f"cannot stream {file} of {sources.dataset} at {sources.revision}: {first}; a gated data set wants its "
            "terms accepted and HF_TOKEN set"
        ) from None
