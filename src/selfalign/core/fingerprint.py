"""A fingerprint of the code behind a script: what makes a rule stale when the library changes.

The modules a script reaches by its imports are found by reading the sources (nothing is executed), and
hashed by their syntax trees without docstrings, so that comments, layout and documentation change nothing.
A data file in a package (a template, a table) counts for the modules of that package that name it.
Two modules never count: the package's root, which holds the version, and :mod:`selfalign.core.config`,
whose whole effect on a job is in the validated values among the rule's parameters.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PACKAGES = ("selfalign", "selfalign_snakemake")
UNCOUNTED = ("selfalign", "selfalign.core.config")
_FILE_NAME = re.compile(r"[\w.-]+\.(yaml|json|jinja|html|css|js)")


class Import(NamedTuple):
    """An import statement: ``from <level dots><base> import <names>``, or ``import <base>`` without names."""

    level: int
    base: str
    names: list[str]


class Source(NamedTuple):
    """What counts of a file: the hash of its syntax tree without docstrings, its imports, the files it names."""

    digest: str
    imports: list[Import]
    files: list[str]


class CodeFingerprints:
    """Fingerprints of scripts over the package in one source directory, as the files are now.

    Args:
        root: the directory that holds the package ``selfalign``.
        cache: a file that remembers what was read, by the hash of each text. Snakemake reads the rules anew
            in every job, and parsing the whole library there would cost a second each time.
    """

    def __init__(self, root: str | Path, cache: str | Path | None = None) -> None:
        self._root = Path(root)
        self._cache = None if cache is None else Path(cache)
        self._remembered = _read_cache(self._cache)
        self._sources: dict[Path, Source] = {}
        self._imports: dict[tuple[Path, str | None], frozenset[str]] = {}

    def of(self, script: str | Path) -> str:
        """Return a hash of `script` and of every module of the package that it reaches by imports."""
        digest = hashlib.sha256(self._source(Path(script)).digest.encode())
        for module in self.modules(script):
            digest.update(f"{module}\0{self._source(self._file(module)).digest}".encode())
            for path in self.data_files(module):
                digest.update(hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()[:16]

    def modules(self, script: str | Path) -> list[str]:
        """Return the sorted names of the counted modules that `script` reaches by imports, at any depth.

        Importing ``a.b.c`` executes ``a`` and ``a.b`` too, so packages on the way count; imports inside
        functions count, imports for type checkers only do not. A package that is imported as an object
        (``from a.b import package``) is used for its files, so all of its modules count.
        """
        seen: set[str] = set()
        queue = list(self._imported(Path(script), None))
        while queue:
            module = queue.pop()
            if module in seen or any(module == u or module.startswith(f"{u}.") for u in UNCOUNTED[1:]):
                continue
            seen.add(module)
            queue.extend(self._imported(self._file(module), module))
        return sorted(seen - set(UNCOUNTED))

    def data_files(self, module: str) -> list[Path]:
        """Return the data files that `module` names, of its own package; with a template, all beside it."""
        package = self._file(module).parent
        found: set[Path] = set()
        for name in self._source(self._file(module)).files:
            for path in package.rglob(name):
                own = path.parent == package
                if own or not (path.parent / "__init__.py").exists():
                    found.update(
                        [path] if own else (each for each in path.parent.iterdir() if each.is_file())
                    )
        return sorted(found)

    def save(self) -> None:
        """Write the cache, if there is one and it lacks something."""
        if self._cache is None:
            return
        known = _read_cache(self._cache)
        if self._remembered.keys() <= known.keys():
            return
        self._cache.parent.mkdir(parents=True, exist_ok=True)
        # Jobs that run side by side write the same things; each replaces the file as a whole.
        partial = self._cache.with_name(f"{self._cache.name}.{os.getpid()}")
        partial.write_text(json.dumps({**known, **self._remembered}))
        partial.replace(self._cache)

    def _file(self, module: str) -> Path:
        base = self._root.joinpath(*module.split("."))
        return base / "__init__.py" if base.is_dir() else base.with_suffix(".py")

    def _source(self, path: Path) -> Source:
        if path not in self._sources:
            text = path.read_bytes()
            # The tree's form belongs to the version of Python.
            key = hashlib.sha256(f"{sys.version_info[:2]}".encode() + text).hexdigest()
            if key not in self._remembered:
                self._remembered[key] = _read_source(text, str(path))
            digest, imports, files = self._remembered[key]
            self._sources[path] = Source(digest, [Import(*each) for each in imports], files)
        return self._sources[path]

    def _imported(self, path: Path, module: str | None) -> frozenset[str]:
        """Names of the package's modules that the file imports, with the packages on the way."""
        if (path, module) not in self._imports:
            found: set[str] = set()
            for statement in self._source(path).imports:
                base = _absolute_base(statement, path, module)
                if base.split(".")[0] not in PACKAGES:
                    continue
                for name in (base, *(f"{base}.{each}" for each in statement.names)):
                    parts = name.split(".")
                    chain = [".".join(parts[: i + 1]) for i in range(len(parts))]
                    found.update(each for each in chain if self._file(each).is_file())
                for name in statement.names:
                    found.update(self._modules_below(f"{base}.{name}"))
            self._imports[path, module] = frozenset(found)
        return self._imports[path, module]

    def _modules_below(self, package: str) -> Iterator[str]:
        directory = self._root.joinpath(*package.split("."))
        if directory.is_dir():
            for path in directory.rglob("*.py"):
                relative = path.relative_to(self._root).with_suffix("")
                yield ".".join(relative.parts).removesuffix(".__init__")


def _read_cache(path: Path | None) -> dict[str, list]:
    try:
        return {} if path is None else json.loads(path.read_text())
    except (OSError, ValueError):
        return {}


def _read_source(text: bytes, filename: str) -> list:
    """Return a :class:`Source` as JSON holds it."""
    tree = ast.parse(text, filename=filename)
    imports = [list(each) for each in runtime_imports(tree)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and (
            ast.get_docstring(node, clean=False) is not None
        ):
            node.body = node.body[1:]
    constants = {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    files = sorted(filter(_FILE_NAME.fullmatch, constants))
    return [hashlib.sha256(ast.dump(tree).encode()).hexdigest(), imports, files]


def _absolute_base(statement: Import, path: Path, module: str | None) -> str:
    if not statement.level:
        return statement.base
    package = (module or "").split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    package = package[: len(package) - (statement.level - 1)]
    return ".".join([*package, *([statement.base] if statement.base else [])])


def runtime_imports(tree: ast.AST) -> Iterator[Import]:
    """Yield the imports of `tree`, those below ``if TYPE_CHECKING:`` left out."""
    stack: list[ast.AST] = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Import):
            yield from (Import(0, alias.name, []) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield Import(node.level, node.module or "", [alias.name for alias in node.names])
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            stack.extend(node.orelse)
        else:
            stack.extend(ast.iter_child_nodes(node))
