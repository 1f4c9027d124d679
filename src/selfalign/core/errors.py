"""Errors a person can act on.

Everything that is the data's, the configuration's or the world's fault is raised as a
:class:`SelfalignError`; the command line and the rule scripts print its one line and exit with 1.
Any other exception is a defect of ours and keeps its traceback.
"""

from __future__ import annotations

import errno
from pathlib import Path

_MENDED_BY = {
    errno.ENOSPC: "free some disk, or put paths.results and paths.completion_cache elsewhere",
    errno.EDQUOT: "your quota is used up; free some, or put paths.results elsewhere",
    errno.EROFS: "choose a place that can be written",
    errno.EACCES: "choose a place that you may write, or change its permissions",
    errno.EPERM: "choose a place that you may write, or change its permissions",
    errno.ENOENT: "check the path",
    errno.ENOTDIR: "a file lies where a directory is wanted; check the path",
    errno.EISDIR: "a directory lies where a file is wanted; check the path",
    errno.EEXIST: "a file lies where a directory is wanted; check the path",
    errno.EADDRINUSE: "the port is in use; choose another, or 0 for a free one",
    errno.EMFILE: "too many open files; raise `ulimit -n`",
}


class SelfalignError(Exception):
    """Base of the errors that are shown as one clear line, without a traceback."""


class ConfigError(SelfalignError):
    """A key or value of the configuration is not allowed."""


class DataError(SelfalignError):
    """A file or record is not what the step needs.

    Args:
        expected: what was expected, and what was found instead.
        file: the file at fault.
        record: line number of the record in that file, from 1.
        field: name of the field at fault.
    """

    def __init__(
        self,
        expected: str,
        *,
        file: str | Path | None = None,
        record: int | None = None,
        field: str | None = None,
    ) -> None:
        self.expected = expected
        self.file = file
        self.record = record
        self.field = field
        where = [
            str(file) if file is not None else None,
            f"record {record}" if record is not None else None,
            f"field '{field}'" if field is not None else None,
        ]
        prefix = ", ".join(part for part in where if part)
        super().__init__(f"{prefix}: {expected}" if prefix else expected)


class InfrastructureError(SelfalignError):
    """The machine, a server or a container failed; never a verdict about data. Worth a retry."""


def explain(error: BaseException) -> str | None:
    """Return one line about an error that a person can mend though we did not raise it; None for a defect.

    That is a full disk, a path that cannot be read or written, a port in use, and no memory left.
    """
    if isinstance(error, MemoryError):
        detail = f" ({error})" if str(error) else ""
        return f"out of memory{detail}; give the job more (resources: mem_mb), or take smaller shards and batches"
    if isinstance(error, OSError) and error.errno in _MENDED_BY:
        where = error.filename if isinstance(error.filename, str) else None
        mended = _MENDED_BY[error.errno]
        return f"{where + ': ' if where else ''}{error.strerror}; {mended}"
    return None
