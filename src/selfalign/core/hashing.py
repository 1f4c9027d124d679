"""Names for content: SHA-256 of files and of JSON values."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from selfalign.core.errors import DataError


def file_sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with Path(path).open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def text_sha256(text: str) -> str:
    """Return the SHA-256 of `text` in UTF-8 (lone surrogates kept), in hexadecimal."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def json_sha256(value: Any) -> str:
    """Return the SHA-256 of `value` as JSON with sorted keys and no spaces: equal values, equal hash."""
    return text_sha256(json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True))


def verify_sha256(path: str | Path, expected: str) -> None:
    """Check a file against its known SHA-256.

    Raises:
        DataError: the file's hash is another.
    """
    found = file_sha256(path)
    if found != expected:
        raise DataError(
            f"expected SHA-256 {expected}, found {found}; the file is not the pinned one: "
            "remove it to fetch it again, or pin this one",
            file=path,
        )
