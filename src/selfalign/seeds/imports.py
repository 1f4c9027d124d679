"""The imports a function lacks, inferred by autoimport and put before it.

A function taken out of its file names modules it no longer imports. What autoimport offers depends on what
is installed and on the directory it runs in; here it may only offer the standard library and packages that
the configuration names, so that the same function gets the same imports everywhere.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cache

from autoimport.model import SourceCode, extract_package_objects

from selfalign.core.filtering import Drop, Keep, Outcome
from selfalign.core.jsonl import Record
from selfalign.core.lineage import with_lineage
from selfalign.seeds.isolate import Done, run_isolated

TIMEOUT_S = 10.0

_MODULE = re.compile(r"\s*(?:from|import)\s+(\w+)")


class _Source(SourceCode):
    """autoimport's reading of a text, without its looking around on this machine."""

    packages: frozenset[str] = frozenset()

    def _find_package(self, name: str) -> str | None:
        statement = super()._find_package(name)
        if statement is None:
            return None
        module = _MODULE.match(statement)
        allowed = module is not None and (module[1] in sys.stdlib_module_names or module[1] in self.packages)
        return statement.partition("  #")[0] if allowed else None

    @staticmethod
    def _find_package_in_our_project(name: str) -> None:  # noqa: ARG004 - the base's signature
        # The base would import whatever lies in this directory.
        return None

    @staticmethod
    def _find_package_in_modules(name: str) -> str | None:
        try:
            return SourceCode._find_package_in_modules(name)
        except ValueError:  # a loaded module without a spec, as `__main__` is in a command
            return None

    @staticmethod
    def _find_package_in_typing(name: str) -> str | None:
        return _typing_objects().get(name)

    def missing(self) -> list[str]:
        """Return the import statements for names the text uses but nowhere defines, sorted."""
        given = len(self.imports)
        self._fix_flake_import_errors()
        return sorted(set(self.imports[given:]), key=lambda line: (line.startswith("from"), line))


@cache
def _typing_objects() -> dict[str, str]:
    return extract_package_objects("typing")


def add_imports(text: str, packages: Iterable[str] = ()) -> tuple[str, list[str]]:
    """Return `text` with the imports it lacks before it, and those imports; the function itself is not touched."""
    source = _Source(text, keep_unused_imports=True)
    source.packages = frozenset(packages)
    missing = source.missing()
    return ("\n".join(missing) + "\n\n\n" + text if missing else text), missing


def fix_imports_faithfully(text: str, packages: Iterable[str] = ()) -> tuple[str, list[str]]:
    """Return `text` as autoimport rewrites it: imports added, unused ones removed, inner ones moved to the top."""
    source = _Source(text)
    source.packages = frozenset(packages)
    fixed = source.fix()
    return fixed, [line for line in source.imports if line]


def infer_imports(
    records: Iterable[Record], *, faithful: bool, packages: tuple[str, ...], workers: int
) -> Iterator[tuple[Record, Outcome]]:
    """Yield each record with the same record, its imports inferred, or with a drop, in input order.

    A text that autoimport cannot read, or not within 10 s, is dropped (``imports_error``, ``imports_timeout``).
    """
    job = _Job(faithful, packages)
    texts = _Tee(records)
    for _, outcome in run_isolated(job, texts.texts(), workers=workers, timeout_s=TIMEOUT_S):
        record = texts.next_record()
        if not isinstance(outcome, Done):
            yield record, Drop(f"imports_{outcome.reason}", outcome.detail)
            continue
        text, added = outcome.value
        changed = {**record, "seed": text}
        yield record, Keep(with_lineage(changed, "imports", added=added) if added else changed)


class _Job:
    """What the workers do, with its settings; importable and picklable."""

    def __init__(self, faithful: bool, packages: tuple[str, ...]) -> None:
        self.faithful = faithful
        self.packages = packages

    def __call__(self, text: str) -> tuple[str, list[str]]:
        function: Callable[..., tuple[str, list[str]]]
        function = fix_imports_faithfully if self.faithful else add_imports
        return function(text, self.packages)


class _Tee:
    """Records whose texts are sent ahead, kept until their answers come back in the same order."""

    def __init__(self, records: Iterable[Record]) -> None:
        self._records = records
        self._sent: list[Record] = []

    def texts(self) -> Iterator[str]:
        for record in self._records:
            self._sent.append(record)
            yield record["seed"]

    def next_record(self) -> Record:
        return self._sent.pop(0)
