"""Revisions on a hub, and the records of branches and tags that were resolved to a commit.

A branch or a tag can move. The workflow resolves it once, records the commit in a file, and substitutes the commit in
the configuration of every job that uses the model or the data set.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import quote

from selfalign.core.config import Config
from selfalign.core.errors import DataError
from selfalign.core.jsonl import read_json

Kind = Literal["model", "dataset"]
DEFAULT = "main"


class Resolved(NamedTuple):
    """The commit that a revision of a repository was resolved to.

    Attributes:
        endpoint: URL of the hub that resolved it; None if the local cache of the hub did.
    """

    kind: Kind
    id: str
    revision: str
    commit: str
    endpoint: str | None


def is_commit(revision: str) -> bool:
    """Return whether a revision is a commit hash, which cannot move."""
    return re.fullmatch(r"[0-9a-f]{40}", revision) is not None


def record_name(kind: Kind, name: str, revision: str) -> str:
    """Return the file name of the record of a resolved revision.

    Args:
        kind: "model" or "dataset".
        name: id of the repository, ``owner/name``.
        revision: branch or tag.
    """
    return f"{kind}--{name.replace('/', '--')}@{quote(revision, safe='')}.json"


def read_record(path: str | Path) -> Resolved:
    """Read the record of a revision.

    Raises:
        DataError: the file is not such a record.
    """
    try:
        return Resolved(**read_json(path))
    except TypeError as error:
        raise DataError(
            f"expected the record of a revision ({error}); remove it to resolve the revision again", file=path
        ) from None


def with_commits(config: Config, records: Iterable[str | Path]) -> Config:
    """Return `config` with its revisions replaced by the commits in the files `records`."""
    for each in map(read_record, records):
        commit = {"revision": each.commit}
        model, sources = config.model, config.seeds.sources
        if each[:3] == ("model", model.id, model.revision):
            config = config.model_copy(update={"model": model.model_copy(update=commit)})
        if each[:3] == ("dataset", sources.dataset, sources.revision):
            seeds = config.seeds.model_copy(update={"sources": sources.model_copy(update=commit)})
            config = config.model_copy(update={"seeds": seeds})
        if each[:3] == ("dataset", config.start.dataset, config.start.revision):
            config = config.model_copy(update={"start": config.start.model_copy(update=commit)})
    return config
