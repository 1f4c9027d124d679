"""Fingerprints of the code that a script runs, which make a rule stale when the library changes.

The modules that a script imports, directly or indirectly, are found by parsing the sources (nothing is executed). Each is
hashed by its syntax tree without docstrings, so changes of comments, layout and documentation do not matter. A data file
of a package (a template, a table) belongs to the modules of the package that contain its name. Two modules are excluded:
the root package, which holds the version, and :mod:`selfalign.core.config`, which affects a job only through the values
of the rule's parameters.
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
EXCLUDED = ("selfalign", "selfalign.core.config")
_FILE_NAME = re.compile(r"[\w.-]+\.(yaml|json|jinja|html|css|js)")


class Import(NamedTuple):
    """An import statement: ``from <level dots><base> import <names>``, or ``import <base>`` without names."""

    level: int
    base: str
    names: list[str]


class Source(NamedTuple):
    """Parsed source file.

    Attributes:
        digest: SHA-256 of the syntax tree without docstrings, in hexadecimal.
        imports: import statements.
        files: names of data files in its string constants.
    """

    digest: str
    imports: list[Import]
    files: list[str]


class CodeFingerprints:
    """Fingerprints of scripts, with the packages in one source directory.

    Args:
        root: source directory, which contains the package ``selfalign``.
        cache: JSON file of parsed sources by the hash of their text; None: no cache. Snakemake reads the rules in every
            job, and parsing the whole library would take a second each time.
    """

    def __init__(self, root: str | Path, cache: str | Path | None = None) -> None:
        self._root = Path(root)
        self._cache = None if cache is None else Path(cache)
        self._parsed = _read_cache(self._cache)
        self._sources: dict[Path, Source] = {}
        self._imports: dict[tuple[Path, str | None], frozenset[str]] = {}
        self._files: dict[str, Path] = {}

    def of(self, script: str | Path) -> str:
        """Return the fingerprint of a script and of all modules that it imports, directly or indirectly.

        Args:
            script: path of the script.
        """
        digest = hashlib.sha256(self._source(Path(script)).digest.encode())
        for module in self.modules(script):
            digest.update(f"{module}\0{self._source(self._file(module)).digest}".encode())
            for path in self.data_files(module):
                digest.update(hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()[:16]

    def modules(self, script: str | Path) -> list[str]:
        """Return the sorted names of the modules that a script imports, directly or indirectly, without excluded ones.

        Importing ``a.b.c`` executes ``a`` and ``a.b`` too, so parent packages are included. Imports inside functions are
        included, imports for type checkers only are not. If a package is imported as an object (``from a.b import
        package``), all of its modules are included.

        Args:
            script: path of the script.
        """
        seen: set[str] = set()
        queue = list(self._imported(Path(script), None))
        while queue:
            module = queue.pop()
            if module in seen or any(module == u or module.startswith(f"{u}.") for u in EXCLUDED[1:]):
                continue
            seen.add(module)
            queue.extend(self._imported(self._file(module), module))
        return sorted(seen - set(EXCLUDED))

    def data_files(self, module: str) -> list[Path]:
        """Return the data files of a module's package whose names it contains; of a template, its whole directory.

        Args:
            module: name of the module.
        """
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
        """Add newly parsed sources to the cache file, if there is one."""
        if self._cache is None:
            return
        known = _read_cache(self._cache)
        if self._parsed.keys() <= known.keys():
            return
        self._cache.parent.mkdir(parents=True, exist_ok=True)
        # Parallel jobs write equal entries; each replaces the whole file.
        partial = self._cache.with_name(f"{self._cache.name}.{os.getpid()}")
        partial.write_text(json.dumps({**known, **self._parsed}))
        partial.replace(self._cache)

    def _file(self, module: str) -> Path:
        if module not in self._files:
            base = self._root.joinpath(*module.split("."))
            self._files[module] = base / "__init__.py" if base.is_dir() else base.with_suffix(".py")
        return self._files[module]

    def _source(self, path: Path) -> Source:
        if path not in self._sources:
            text = path.read_bytes()
            # The syntax tree depends on the version of Python.
            key = hashlib.sha256(f"{sys.version_info[:2]}".encode() + text).hexdigest()
            if key not in self._parsed:
                self._parsed[key] = _read_source(text, str(path))
            digest, imports, files = self._parsed[key]
            self._sources[path] = Source(digest, [Import(*each) for each in imports], files)
        return self._sources[path]

    def _imported(self, path: Path, module: str | None) -> frozenset[str]:
        """Return the names of the modules that a file imports, with their parent packages."""
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
    """Return the fields of a :class:`Source` as JSON values."""
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
    """Yield the imports in a syntax tree, except those below ``if TYPE_CHECKING:``.

    Args:
        tree: the syntax tree.
    """
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
