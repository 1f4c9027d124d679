"""JSON Lines files: one JSON object per line, UTF-8, optionally gzipped (``.gz``).

Files are written under a temporary name and moved into place, so an existing file is complete. Lines are formatted by
:func:`json.dumps` with its defaults, as in the files of the reference.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import glob
import gzip
import hashlib
import io
import json
import logging
import os
import re
import stat
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from selfalign.core.errors import DataError

Record = dict[str, Any]

log = logging.getLogger(__name__)

# An escaped surrogate, of a pair or alone.
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
TEMPORARY_SUFFIX = ".part"
# Bytes of the longest file name on Linux, and at most of what a temporary name adds.
LONGEST_NAME, LONGEST_ENDING = 255, 24

_TYPE_NAMES = {
    str: "a string",
    int: "an integer",
    float: "a number",
    list: "a list",
    dict: "an object",
    bool: "true or false",
}


def dumps(record: Record) -> str:
    """Return a record as one line of JSON, without the newline.

    Args:
        record: JSON object.
    """
    return json.dumps(record)


def read_jsonl(path: str | Path) -> Iterator[Record]:
    """Yield the records of a file; blank lines are skipped.

    Args:
        path: JSON Lines file.

    Raises:
        DataError: the file is missing, or a line is not a JSON object.
    """
    for _, record in read_numbered(path):
        yield record


def read_numbered(path: str | Path) -> Iterator[tuple[int, Record]]:
    """Yield the line number (from 1) and the record of each line; blank lines are skipped.

    Lone surrogates are replaced, see :func:`parse_record`.

    Args:
        path: JSON Lines file.

    Raises:
        DataError: the file is missing, a line is not a JSON object, or its ``lineage`` is malformed.
    """
    path = Path(path)
    try:
        handle = _open_text(path)
    except OSError as error:
        raise DataError(
            f"cannot be read ({error.strerror or error}); check the path, or run the step that makes it",
            file=path,
        ) from None
    with handle:
        try:
            for number, line in enumerate(handle, start=1):
                if not line.strip():
                    continue
                record = parse_record(line, path, number)
                check_lineage(record, path, number)
                yield number, record
        except UnicodeDecodeError as error:
            raise DataError(f"expected UTF-8 text ({error.reason})", file=path) from None
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise DataError(f"expected whole gzip data ({error})", file=path) from None


def parse_record(line: str, file: str | Path, number: int) -> Record:
    """Return the JSON object in a line.

    A lone surrogate (half of a character, which JSON can escape but no UTF-8 file can contain) is replaced by U+FFFD, with
    a warning, since a record with one could not be tokenised, printed or exported.

    Args:
        line: JSON text.
        file: file of the line, for messages.
        number: line number, for messages.

    Raises:
        DataError: the line is not a JSON object, or cannot be read.
    """
    try:
        record = json.loads(line)
        if _SURROGATE.search(line):
            text = json.dumps(record, ensure_ascii=False)
            if (whole := replace_surrogates(text)) != text:
                log.warning("%s, record %d: a lone surrogate was replaced by U+FFFD", file, number)
                record = json.loads(whole)
    except json.JSONDecodeError as error:
        raise DataError(
            f"expected one JSON object a line ({error.msg}, column {error.colno})", file=file, record=number
        ) from None
    except (RecursionError, ValueError) as error:
        # Valid JSON that Python does not read: nested too deeply, or an integer of too many digits.
        raise DataError(f"cannot be read ({error})", file=file, record=number) from None
    if not isinstance(record, dict):
        raise DataError(f"expected a JSON object, found {type(record).__name__}", file=file, record=number)
    return record


def replace_surrogates(text: str) -> str:
    """Return a text with each lone surrogate replaced by U+FFFD, the replacement character.

    Args:
        text: any text; two surrogates that form a pair are joined.
    """
    return (
        text if text.isascii() else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    )


def check_lineage(record: Record, file: str | Path, number: int) -> None:
    """Check the types of a record's lineage, for the stages to rely on (see :mod:`selfalign.core.lineage`); remove a null.

    Args:
        record: the record, with or without lineage.
        file: its file, for messages.
        number: its line number, for messages.

    Raises:
        DataError: the lineage, or a part of it, has another type.
    """
    if record.get("lineage") is None:
        record.pop("lineage", None)
        return
    for name, value in require(record, "lineage", dict, file=file, number=number).items():
        if name == "transformations":
            expected = "a list of strings"
            right = isinstance(value, list) and all(isinstance(each, str) for each in value)
        else:
            expected, right = "an object", isinstance(value, dict)
        if not right:
            raise DataError(
                f"expected {expected}, found {type(value).__name__}",
                file=file,
                record=number,
                field=f"lineage.{name}",
            )


def require(
    record: Record, field: str, kind: type, *, file: str | Path | None = None, number: int | None = None
) -> Any:
    """Return a field of a record, checking its type.

    Args:
        record: the record.
        field: name of the field.
        kind: expected type; bool is no int or float.
        file: file of the record, for the message.
        number: line number of the record, for the message.

    Raises:
        DataError: the field is missing or has another type.
    """
    expected = _TYPE_NAMES.get(kind, kind.__name__)
    if field not in record:
        raise DataError(f"expected {expected}, found no such field", file=file, record=number, field=field)
    value = record[field]
    if not isinstance(value, kind) or (kind in (int, float) and isinstance(value, bool)):
        raise DataError(
            f"expected {expected}, found {type(value).__name__}", file=file, record=number, field=field
        )
    return value


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; move it to `path` when the block ends without an exception, else remove it.

    Leftovers of killed writers of the same path are removed first; the file of a running writer is locked.
    A symbolic link is kept and its target replaced. Pipes and character devices are written to directly.

    Args:
        path: the final path; its directory is created.

    Raises:
        DataError: the path is neither a file nor a pipe or character device.
        IsADirectoryError: the path is a directory.
    """
    path = Path(path)
    if _is_stream(path):
        yield path
        return
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(path)
    descriptor, temporary = _locked_temporary(path)
    try:
        yield temporary
        with temporary.open("rb") as handle:
            os.fsync(handle.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT) and error.filename is None:
            error.filename = str(path)  # a full disk does not say which file it was
        raise
    finally:
        temporary.unlink(missing_ok=True)
        os.close(descriptor)


def _is_stream(path: Path) -> bool:
    """Whether `path` is a pipe, a character device or an open descriptor, which is written to in place."""
    if str(path) in ("/dev/stdout", "/dev/stderr") or path.parent == Path("/dev/fd"):
        return True
    try:
        mode = path.stat().st_mode
    except OSError:  # nothing is there yet, or what is wrong shows when the file is made
        return False
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if stat.S_ISFIFO(mode) or stat.S_ISCHR(mode):
        return True
    if not stat.S_ISREG(mode):
        kind = "a block device" if stat.S_ISBLK(mode) else "a socket"
        raise DataError(f"expected a file, pipe or character device to write to, found {kind}", file=path)
    return False


def _locked_temporary(path: Path) -> tuple[int, Path]:
    """Create a file beside `path`; its descriptor holds a lock as long as the file is being written."""
    while True:
        try:
            descriptor, name = tempfile.mkstemp(
                prefix=_temporary_prefix(path), suffix=TEMPORARY_SUFFIX, dir=path.parent
            )
        except OSError as error:
            error.filename = str(path)  # not the temporary name
            raise
        # On a file system without locks, no other writer can take it for a leftover either.
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return descriptor, Path(name)
        os.close(descriptor)  # another writer took it for a leftover before it was locked


def _temporary_prefix(path: Path) -> str:
    """Return the prefix of temporary names: that of the file, or its hash if the whole would be too long a name."""
    name = path.name
    if LONGEST_NAME - LONGEST_ENDING < len(os.fsencode(name)) <= LONGEST_NAME:
        name = hashlib.sha256(os.fsencode(name)).hexdigest()
    return f".{name}."


def _remove_leftovers(path: Path) -> None:
    for found in path.parent.glob(f"{glob.escape(_temporary_prefix(path))}*{TEMPORARY_SUFFIX}"):
        with contextlib.suppress(OSError), found.open("rb") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            found.unlink()


@contextlib.contextmanager
def open_writer(path: str | Path) -> Iterator[IO[str]]:
    """Open a text file for writing, atomically; gzipped, without a time stamp, if its name ends in ``.gz``.

    Args:
        path: the final path.
    """
    path = Path(path)
    with atomic_path(path) as temporary:
        if path.suffix == ".gz":
            with (
                temporary.open("wb") as raw,
                gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) as packed,
                io.TextIOWrapper(packed, encoding="utf-8", newline="\n") as handle,
            ):
                yield handle
        else:
            with temporary.open("w", encoding="utf-8", newline="\n") as handle:
                yield handle


def write_jsonl(path: str | Path, records: Iterable[Record]) -> int:
    """Write records atomically; return their number.

    Args:
        path: JSON Lines file.
        records: the records.
    """
    count = 0
    with open_writer(path) as handle:
        for record in records:
            handle.write(dumps(record) + "\n")
            count += 1
    return count


def read_json(path: str | Path) -> Any:
    """Return the JSON value of a file.

    Args:
        path: JSON file.

    Raises:
        DataError: the file is missing or is not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(
            f"cannot be read ({error.strerror or error}); check the path, or run the step that makes it",
            file=path,
        ) from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"expected JSON ({error})", file=path) from None


def write_json(path: str | Path, value: Any) -> None:
    """Write a JSON value atomically, indented by two spaces, keys in insertion order.

    Args:
        path: JSON file.
        value: the value.
    """
    with open_writer(path) as handle:
        handle.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def _open_text(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8")
    return path.open(encoding="utf-8")
