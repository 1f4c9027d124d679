"""Resolve pyproject.toml into the locks of this directory, with uv: ``python envs/lock.py`` (`make lock`).

``main.lock`` has everything but the cluster plugins, with hashes; the lock files of the environments are subsets of it.
A locked version stays while it satisfies the requirements: to upgrade packages, delete their lines.

torch has a hash in no lock, because its CPU build is another file than the package index has: ``torch.lock``. The
environments of programs in the sandbox are in ``programs/``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PYTHON = "3.11"
HEAD = "# Resolved from pyproject.toml by `make lock`.\n"
MAIN_PARTS = ("data", "execute", "train", "evaluate", "serve", "dev")


@cache
def index_variables() -> dict[str, str]:
    """Return the environment variables that set uv's package index to that of pip."""
    asked = [sys.executable, "-m", "pip", "config", "list"]
    said = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    configured = dict(line.split("=", 1) for line in said.splitlines())
    found = configured.get(":env:.index-url", configured.get("global.index-url"))
    return {} if found is None else {"UV_DEFAULT_INDEX": found.strip("'")}


def uv(*arguments: str) -> str:
    """Run uv in the root of the repository, with pip's package index; return its output.

    Raises:
        RuntimeError: uv failed; with its error message.
    """
    done = subprocess.run(
        [sys.executable, "-m", "uv", "--no-progress", *arguments],
        cwd=ROOT,
        env={**os.environ, **index_variables()},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"uv {' '.join(arguments[:2])} failed:\n{done.stderr.strip()}")
    return done.stdout


def project() -> dict[str, Any]:
    """Return the table [project] of pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def environments() -> dict[str, dict[str, Any]]:
    """Return the environments of the rules by name: ``about``, ``parts``, ``image``."""
    return yaml.safe_load((HERE / "environments.yaml").read_text(encoding="utf-8"))


def resolve(lock: Path, asked: Iterable[str], *options: str, near: Path | None = None) -> str:
    """Resolve requirements and return the text of their lock file; locked versions are preferred.

    Args:
        lock: the lock file, which may exist already.
        asked: requirements.
        options: options of ``uv pip compile``.
        near: lock file whose versions are preferred as well; None for none.
    """
    with tempfile.TemporaryDirectory() as scratch:
        source, out = Path(scratch, "asked.in"), Path(scratch, "out.lock")
        source.write_text("".join(f"{line}\n" for line in asked), encoding="utf-8")
        known = [path.read_text(encoding="utf-8") for path in (lock, near) if path and path.exists()]
        out.write_text(known[0] if known else "", encoding="utf-8")
        uv(
            *("pip", "compile", str(source), "--output-file", str(out), "--quiet", "--no-header"),
            *("--no-annotate", "--python-version", PYTHON, "--python-platform", "linux"),
            *("--no-emit-index-url", "--no-emit-find-links"),
            *options,
        )
        return HEAD + out.read_text(encoding="utf-8")


def asked_by(*parts: str) -> list[str]:
    """Return the runtime requirements and those of the optional dependencies `parts`."""
    asked = project()
    return [
        *asked["dependencies"],
        *(each for part in parts for each in asked["optional-dependencies"][part]),
    ]


def resolve_all() -> dict[Path, str]:
    """Resolve all lock files and return their texts."""
    main, torch = HERE / "main.lock", HERE / "torch.lock"
    hashed = ("--generate-hashes", "--no-emit-package", "torch")
    parts = project()["optional-dependencies"]
    locks = {
        main: resolve(main, asked_by(*MAIN_PARTS), *hashed),
        torch: HEAD + "".join(f"{each}\n" for each in parts["train"] if each.startswith("torch==")),
    }
    with tempfile.TemporaryDirectory() as scratch:
        within = Path(scratch, "main.lock")
        within.write_text(locks[main], encoding="utf-8")
        held = ("--constraints", str(within))
        cluster, htcondor = HERE / "cluster.lock", HERE / "htcondor.lock"
        locks[cluster] = resolve(cluster, asked_by("cluster"), *hashed, *held)
        # Installed on top of the other lock files; the other requirements of its plugin are in the runtime.
        locks[htcondor] = resolve(htcondor, parts["htcondor"], "--no-deps", "--generate-hashes")
        # What programs in the sandbox can import (src/selfalign/program_environments.py), also in its image.
        for name, asked in (("numpy", ["numpy"]), ("full", parts["execute"])):
            lock = HERE / f"programs/{name}.lock"
            locks[lock] = resolve(lock, asked, "--generate-hashes", *held)
        for name, each in environments().items():
            lock, asked = HERE / f"{name}.lock", asked_by(*each.get("parts", ()))
            if "serve-gpu" in each.get("parts", ()):
                # vLLM for GPUs has its own torch, CUDA libraries and pins, so main.lock cannot bind it.
                locks[lock] = resolve(lock, asked, "--no-config", near=main)
            else:
                locks[lock] = resolve(lock, asked, *held)
    lock, asked = HERE / "programs/ds1000.lock", HERE / "programs/ds1000.in"
    # Apart from pyproject.toml, whose settings for the resolver are about other versions. What its authors do not pin is of
    # the year in which they published the data.
    options = ("--generate-hashes", "--no-config", "--exclude-newer", "2024-11-01")
    # Of torch, which is newer.
    options += ("--exclude-newer-package", "setuptools=2025-06-01")
    text = resolve(lock, asked.read_text(encoding="utf-8").splitlines(), *options).removeprefix(HEAD)
    # Its oldest packages have no wheels for later versions of Python.
    head = f"# Resolved from {asked.relative_to(ROOT)} by `make lock`.\n# Python: {PYTHON}\n"
    locks[lock] = head + locks[torch].removeprefix(HEAD) + text
    return locks


def main() -> None:
    """Write the lock files, and print the names of those that changed."""
    changed = []
    for path, text in resolve_all().items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            changed.append(str(path.relative_to(ROOT)))
    print(json.dumps({"changed": changed}))


if __name__ == "__main__":
    main()
