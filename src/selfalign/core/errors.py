"""Errors that a user can act on.

Problems of the data, the configuration or the environment are raised as a :class:`SelfalignError`; the command line and
the rule scripts print its one line and exit with status 1. Any other exception is an internal error and keeps its
traceback.
"""

from __future__ import annotations

import errno
import socket
from pathlib import Path

_ADVICE = {
    errno.ENOSPC: "free some disk space, or put paths.results and paths.completion_cache elsewhere",
    errno.EDQUOT: "the disk quota is exceeded; free some space, or put paths.results elsewhere",
    errno.EROFS: "choose a writable directory",
    errno.EACCES: "choose a directory with write access, or change its permissions",
    errno.EPERM: "choose a directory with write access, or change its permissions",
    errno.ENOENT: "check the path",
    errno.ENOTDIR: "expected a directory, found a file; check the path",
    errno.EISDIR: "expected a file, found a directory; check the path",
    errno.EEXIST: "expected a directory, found a file; check the path",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ELOOP: "a symbolic link points to itself; check the path",
    errno.EFBIG: "the file is too large for the file system or `ulimit -f`",
    errno.EIO: "the disk or the connection to it fails; check the system log",
    errno.ESTALE: "the network file system has replaced the file; run again",
    errno.EADDRINUSE: "the port is in use; choose another, or 0 for a free one",
    errno.EADDRNOTAVAIL: "no network interface of this machine has the address; choose another",
    errno.EMFILE: "too many open files; raise `ulimit -n`",
}


class SelfalignError(Exception):
    """Base class of errors that are shown as one line, without a traceback."""


class ConfigError(SelfalignError):
    """A key or value of the configuration is not allowed."""


class DataError(SelfalignError):
    """A file or record is not as a step expects it.

    Args:
        expected: what was expected, and what was found.
        file: the file.
        record: line number of the record in the file, from 1.
        field: name of the field.
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
    """The machine, a server or a container failed, which says nothing about the data; a retry may succeed."""


def explain(error: BaseException) -> str | None:
    """Return one line about an error of the environment that a user can resolve; None for an internal error.

    Such errors are a full disk, a path that cannot be read or written, a port in use, an unknown host name, and exhausted
    memory.

    Args:
        error: any exception.
    """
    if isinstance(error, MemoryError):
        detail = f" ({error})" if str(error) else ""
        return f"out of memory{detail}; raise the job's memory (resources: mem_mb), or use smaller shards and batches"
    if isinstance(error, socket.gaierror):
        return f"{error.strerror}; check the name or address of the host"
    if isinstance(error, OSError) and error.errno in _ADVICE:
        where = error.filename if isinstance(error.filename, str) else None
        advice = _ADVICE[error.errno]
        return f"{where + ': ' if where else ''}{error.strerror}; {advice}"
    return None
