"""What builds have set out to make and have not made.

Snakemake removes the old output of a job before the job starts, and a file that is missing is made only where something
needs it. So when a configuration has changed, and the job of a file in the middle fails or is killed, the files after it
that were made of the old one would look finished to the next build. What a build sets out to make is kept here, for that
next build to know them.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from selfalign.core.jsonl import read_json, write_json


class Unmade:
    """The paths, kept in the file `path`, which is as old as the last build's plan."""

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)

    def expect(self, paths: Iterable[str]) -> None:
        """Remember what a build is about to make, beside what is left of those before."""
        write_json(self._path, sorted({*self._left(), *paths}))

    def overtaken(self) -> list[str]:
        """Return the files that should have been made anew and were not, if something before them is missing."""
        left = self._left()
        found = [each for each in left if Path(each).exists()]
        return found if len(found) < len(left) else []

    def settle(self) -> None:
        """Forget what has been made."""
        left = self._left()
        if all(Path(each).exists() for each in left):
            self._path.unlink(missing_ok=True)
        else:
            write_json(self._path, left)

    def _left(self) -> list[str]:
        """Return what is missing, or older than the plan."""
        if not self._path.exists():
            return []
        planned = self._path.stat().st_mtime_ns
        return [each for each in read_json(self._path) if not _made_after(Path(each), planned)]


def _made_after(path: Path, moment: int) -> bool:
    return path.exists() and path.stat().st_mtime_ns > moment
