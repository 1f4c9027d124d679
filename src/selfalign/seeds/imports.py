"""Import inference: add the imports that a function lacks, by autoimport.

A function without its file uses modules that it does not import. The suggestions of autoimport depend on the installed
packages and the working directory; here they are restricted to the standard library and the configured packages, so the
result is the same everywhere.
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
    """autoimport's source code, without suggestions from this machine."""

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
        # The base class would suggest modules of the working directory.
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
        """Return the import statements of names that the text uses but does not define, sorted."""
        given = len(self.imports)
        self._fix_flake_import_errors()
        return sorted(set(self.imports[given:]), key=lambda line: (line.startswith("from"), line))


@cache
def _typing_objects() -> dict[str, str]:
    return extract_package_objects("typing")


def add_imports(text: str, packages: Iterable[str] = ()) -> tuple[str, list[str]]:
    """Add missing imports before a function, which is left unchanged; return the text and the imports.

    Args:
        text: source of the function.
        packages: packages that may be imported, in addition to the standard library.
    """
    source = _Source(text, keep_unused_imports=True)
    source.packages = frozenset(packages)
    missing = source.missing()
    return ("\n".join(missing) + "\n\n\n" + text if missing else text), missing


def fix_imports_faithfully(text: str, packages: Iterable[str] = ()) -> tuple[str, list[str]]:
    """Rewrite a function by autoimport, as the reference does; return the text and its imports.

    Missing imports are added, unused ones removed, and inner ones moved to the top.

    Args:
        text: source of the function.
        packages: packages that may be imported, in addition to the standard library.
    """
    source = _Source(text)
    source.packages = frozenset(packages)
    fixed = source.fix()
    return fixed, [line for line in source.imports if line]


def infer_imports(
    records: Iterable[Record], *, faithful: bool, packages: tuple[str, ...], workers: int
) -> Iterator[tuple[Record, Outcome]]:
    """Yield each record with its outcome, in input order: kept with its imports inferred, or dropped.

    A function that autoimport cannot process is dropped with ``imports_error``, ``imports_timeout`` (after 10 s) or
    ``imports_crash``.

    Args:
        records: seeds.
        faithful: rewrite functions as the reference does.
        packages: packages that may be imported, in addition to the standard library.
        workers: worker processes.
    """
    job = _Inference(faithful, packages)
    texts = _Buffer(records)
    for _, outcome in run_isolated(job, texts.texts(), workers=workers, timeout_s=TIMEOUT_S):
        record = texts.next_record()
        if not isinstance(outcome, Done):
            yield record, Drop(f"imports_{outcome.reason}", outcome.detail)
            continue
        text, added = outcome.value
        changed = {**record, "seed": text}
        yield record, Keep(with_lineage(changed, "imports", added=added) if added else changed)


class _Inference:
    """The function that the worker processes call; picklable."""

    def __init__(self, faithful: bool, packages: tuple[str, ...]) -> None:
        self.faithful = faithful
        self.packages = packages

    def __call__(self, text: str) -> tuple[str, list[str]]:
        function: Callable[..., tuple[str, list[str]]]
        function = fix_imports_faithfully if self.faithful else add_imports
        return function(text, self.packages)


class _Buffer:
    """Records whose texts were sent to the workers, kept until the results arrive in the same order."""

    def __init__(self, records: Iterable[Record]) -> None:
        self._records = records
        self._sent: list[Record] = []

    def texts(self) -> Iterator[str]:
        for record in self._records:
            self._sent.append(record)
            yield record["seed"]

    def next_record(self) -> Record:
        return self._sent.pop(0)
