"""Verdicts kept by program, limits, image and the code that judges, so that no program is run twice.

One SQLite file (configuration key ``paths.verdicts``, option ``--cache``), which several jobs on one host may use at a
time. SQLite relies on file locks that network file systems do not keep reliably, so a file there is refused.
``infrastructure`` verdicts are not kept.
"""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from types import TracebackType

from selfalign.core.errors import ConfigError, InfrastructureError
from selfalign.core.hashing import json_sha256
from selfalign.sandbox.launch import guest_digest
from selfalign.sandbox.pool import Pool
from selfalign.sandbox.types import Limits, Program, Verdict

# Seconds to wait while another job writes.
BUSY_S = 120.0
TABLE = "CREATE TABLE IF NOT EXISTS verdicts (key TEXT PRIMARY KEY, verdict TEXT NOT NULL) WITHOUT ROWID"
# Types of network file systems in /proc/self/mountinfo; those of FUSE are named fuse.TYPE.
NETWORK_TYPES = re.compile(
    r"(fuse\.)?(nfs\d?|lustre|cifs|smb\d?|smbfs|gpfs|beegfs\w*|ceph|glusterfs|9p|afs|pvfs2|panfs|wekafs|sshfs|s3fs|gcsfuse)"
)


class VerdictCache:
    """The file, as a context manager; each verdict is in it as soon as it is put.

    Args:
        path: of the file; made if it is not there.

    Raises:
        ConfigError: the file is a directory, or on a network file system.
        InfrastructureError: it is no database of verdicts, or cannot be read or written; also from every method.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        check_place(self._path)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._trouble(f"its directory cannot be made: {error.strerror}") from None
        with self._explained():
            self._connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
        try:
            with self._explained():
                # A verdict that a power cut loses is only computed again.
                self._connection.execute("PRAGMA synchronous=OFF")
                self._connection.execute(TABLE)
                self._connection.execute("SELECT key, verdict FROM verdicts LIMIT 1")
                # A write, so that a file that cannot be written fails now and not after the first program.
                self._connection.execute("PRAGMA user_version = 1")
        except InfrastructureError:
            self._connection.close()
            raise

    def __enter__(self) -> VerdictCache:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def get(self, key: str) -> Verdict | None:
        """Return the verdict kept under a key, None if there is none.

        Args:
            key: see :func:`cache_key`.
        """
        with self._explained():
            row = self._connection.execute("SELECT verdict FROM verdicts WHERE key = ?", (key,)).fetchone()
            return Verdict(**json.loads(row[0])) if row else None

    def put(self, key: str, verdict: Verdict) -> None:
        """Keep a verdict.

        Args:
            key: see :func:`cache_key`.
            verdict: what to keep under it.
        """
        row = (key, json.dumps(asdict(verdict)))
        with self._explained():
            self._connection.execute("INSERT OR REPLACE INTO verdicts VALUES (?, ?)", row)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what SQLite raises, and what is no verdict, into one line."""
        try:
            yield
        except (sqlite3.Error, ValueError, TypeError) as error:
            raise self._trouble(str(error)) from None

    def _trouble(self, problem: str) -> InfrastructureError:
        return InfrastructureError(
            f"the kept verdicts in '{self._path}' (configuration key paths.verdicts, option --cache) cannot be used: "
            f"{problem}; expected a SQLite file of verdicts that can be written: free some disk, remove the file, or "
            "choose another"
        )

    def run(self, pool: Pool, programs: Iterable[Program], limits: Limits) -> Iterator[Verdict]:
        """Yield the verdict of every program, in input order; only those that are not known are run.

        Args:
            pool: where programs run.
            programs: read as needed.
            limits: of programs that bring none (the pool's).
        """
        waiting: deque[tuple[Program, str, Verdict | None, bool]] = deque()
        running: set[str] = set()

        def unknown() -> Iterator[Program]:
            for program in programs:
                key = cache_key(program, program.limits or limits, pool.runtime, pool.image)
                known = self.get(key)
                runs = known is None and key not in running
                waiting.append((program, key, known, runs))
                if runs:
                    running.add(key)
                    yield program

        def known_ones() -> Iterator[Verdict]:
            while waiting and not waiting[0][3]:
                program, key, known, _ = waiting.popleft()
                # The same program went before, in this very run; it failed to get a verdict if there is none.
                verdict = known or self.get(key) or _unjudged(program, pool)
                yield replace(verdict, key=program.key)

        for verdict in pool.run(unknown()):
            yield from known_ones()
            _, key, _, _ = waiting.popleft()
            running.discard(key)
            if verdict.status != "infrastructure":
                self.put(key, verdict)
            yield verdict
        yield from known_ones()


def cache_key(program: Program, limits: Limits, runtime: str, image: str) -> str:
    """Return the key of a program's verdict: the digest of everything that decides it.

    Args:
        program: all but its key counts.
        limits: that it runs with.
        runtime: name of the runtime.
        image: digest of what the program sees as its system.
    """
    what = [program.source, program.stdin, program.scope, program.tests_line]
    return json_sha256([*what, asdict(limits), runtime, image, guest_digest()])


def check_place(path: Path, mounts: str | None = None) -> None:
    """Check that verdicts can be kept in a file.

    Args:
        path: of the file.
        mounts: what /proc/self/mountinfo says; None: read it.

    Raises:
        ConfigError: the file is a directory, or on a network file system.
    """
    if path.is_dir():
        raise ConfigError(
            f"'{path}' (configuration key paths.verdicts, option --cache) is a directory; expected a file"
        )
    kind = file_system(path, Path("/proc/self/mountinfo").read_text("utf-8") if mounts is None else mounts)
    if NETWORK_TYPES.fullmatch(kind):
        raise ConfigError(
            f"'{path}' (configuration key paths.verdicts, option --cache) is on a network file system ({kind}), where "
            "SQLite's locks are not reliable; put it on a local disk, or set the key to '' to keep no verdicts"
        )


def file_system(path: Path, mounts: str) -> str:
    """Return the type of the file system that holds a path, or will hold it.

    Args:
        path: need not exist.
        mounts: what /proc/self/mountinfo says (see proc(5)).
    """
    place, kind, length = path.resolve(), "", -1
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        # Spaces and other special characters are octal there.
        point = Path(re.sub(r"\\(\d{3})", lambda code: chr(int(code[1], 8)), before.split()[4]))
        # The last of several mounts in one place is on top.
        if place.is_relative_to(point) and len(point.parts) >= length:
            kind, length = after.split()[0], len(point.parts)
    return kind


def _unjudged(program: Program, pool: Pool) -> Verdict:
    problem = "the same program was not judged before"
    return Verdict(program.key, "infrastructure", None, "", problem, 0.0, 0.0, 0.0, pool.runtime, pool.image)
