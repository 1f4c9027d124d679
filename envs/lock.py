"""Resolve pyproject.toml into the locks of this directory, with uv: ``python envs/lock.py`` (`make lock`).

``main.lock`` has everything but the cluster part, with hashes; the environments' lists are resolved within it. A
version that a lock has stays while it satisfies what is asked: to raise one, delete its lines, or all of them.

torch is in no lock with hashes, because its CPU build is another file than the package index has: ``torch.lock``.
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
    """Return the package index that pip is configured for, as the environment variables that tell uv."""
    asked = [sys.executable, "-m", "pip", "config", "list"]
    said = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    configured = dict(line.split("=", 1) for line in said.splitlines())
    found = configured.get(":env:.index-url", configured.get("global.index-url"))
    return {} if found is None else {"UV_DEFAULT_INDEX": found.strip("'")}


def uv(*arguments: str) -> str:
    """Run uv at the top of the repository, with pip's package index; return what it printed.

    Raises:
        RuntimeError: uv failed; the message is its own.
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
    """Return the text of `lock`, resolved anew: its own versions, and those of the lock `near`, are preferred.

    Args:
        asked: requirements.
        options: of ``uv pip compile``.
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
    """Return the requirements of the runtime and `parts`."""
    asked = project()
    return [
        *asked["dependencies"],
        *(each for part in parts for each in asked["optional-dependencies"][part]),
    ]


def resolve_all() -> dict[Path, str]:
    """Return the text of every lock, resolved anew."""
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
        # Over the others, as it comes: its plugin's requirements are the runtime's.
        locks[htcondor] = resolve(htcondor, parts["htcondor"], "--no-deps", "--generate-hashes")
        sandbox = ROOT / "containers/sandbox/full.lock"
        locks[sandbox] = resolve(sandbox, parts["execute"], *held)
        for name, each in environments().items():
            lock, asked = HERE / f"{name}.lock", asked_by(*each.get("parts", ()))
            if "serve-gpu" in each.get("parts", ()):
                # vLLM for GPUs has its own torch, CUDA libraries and pins, so main.lock cannot bind it.
                locks[lock] = resolve(lock, asked, "--no-config", near=main)
            else:
                locks[lock] = resolve(lock, asked, *held)
    return locks


def main() -> None:
    """Write the locks; name those that changed."""
    changed = []
    for path, text in resolve_all().items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            changed.append(str(path.relative_to(ROOT)))
    print(json.dumps({"changed": changed}))


if __name__ == "__main__":
    main()
