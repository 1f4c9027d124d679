"""Verdicts kept by program, limits and image, so that no program is executed twice.

One SQLite file, which several jobs may use at a time. Infrastructure trouble is never kept.
"""

from __future__ import annotations

import json
import sqlite3
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from types import TracebackType

from selfalign.core.hashing import json_sha256
from selfalign.sandbox.launch import guest_digest
from selfalign.sandbox.pool import Pool
from selfalign.sandbox.types import Limits, Program, Verdict

BUSY_S = 120.0
TABLE = "CREATE TABLE IF NOT EXISTS verdicts (key TEXT PRIMARY KEY, verdict TEXT NOT NULL) WITHOUT ROWID"


class VerdictCache:
    """The file. A context manager; each verdict is on disk as soon as it is put."""

    def __init__(self, path: str | Path) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
        # A verdict that a power cut loses is only computed again.
        self._connection.execute("PRAGMA synchronous=OFF")
        self._connection.execute(TABLE)

    def __enter__(self) -> VerdictCache:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def get(self, key: str) -> Verdict | None:
        """Return the verdict kept under `key`, if there is one."""
        row = self._connection.execute("SELECT verdict FROM verdicts WHERE key = ?", (key,)).fetchone()
        return Verdict(**json.loads(row[0])) if row else None

    def put(self, key: str, verdict: Verdict) -> None:
        """Keep a verdict."""
        row = (key, json.dumps(asdict(verdict)))
        self._connection.execute("INSERT OR REPLACE INTO verdicts VALUES (?, ?)", row)

    def run(self, pool: Pool, programs: Iterable[Program], limits: Limits) -> Iterator[Verdict]:
        """Yield the verdict of every program, in input order; only those that are not known run in `pool`.

        Args:
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
    """Return the key of a program's verdict: everything that decides it."""
    return json_sha256([program.source, program.stdin, asdict(limits), runtime, image, guest_digest()])


def _unjudged(program: Program, pool: Pool) -> Verdict:
    problem = "the same program was not judged before"
    return Verdict(program.key, "infrastructure", None, "", problem, 0.0, 0.0, 0.0, pool.runtime, pool.image)
