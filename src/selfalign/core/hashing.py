"""SHA-256 of files, texts and JSON values."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from selfalign.core.errors import DataError


def file_sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal.

    Args:
        path: the file.
    """
    with Path(path).open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def text_sha256(text: str) -> str:
    """Return the SHA-256 of a text in UTF-8, in hexadecimal.

    Args:
        text: the text, which may have lone surrogates.
    """
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def json_sha256(value: Any) -> str:
    """Return the SHA-256 of a JSON value, in hexadecimal; equal values have equal hashes.

    Args:
        value: hashed as JSON with sorted keys and without spaces.
    """
    return text_sha256(json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True))


def verify_sha256(path: str | Path, expected: str) -> None:
    """Verify the SHA-256 of a file.

    Args:
        path: the file.
        expected: its SHA-256, in hexadecimal.

    Raises:
        DataError: the file has another hash.
    """
    found = file_sha256(path)
    if found != expected:
        raise DataError(
            f"expected SHA-256 {expected}, found {found}; the file differs from the pinned one: "
            "remove it to download it again, or pin its hash",
            file=path,
        )
