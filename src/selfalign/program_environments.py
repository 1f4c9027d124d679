"""Environments of programs: the interpreter and the packages that programs in the sandbox can import.

``stdlib`` has the standard library only. ``build`` has the packages of this installation of selfalign or, with a
container engine, those of its image. Every other environment is installed from a lock file, ``envs/programs/<name>.lock``,
into a directory of its own::

    environment.json   the manifest: name, hash of the lock, version of Python, distributions, modules
    packages/          the installed packages

The directory contains no interpreter and no absolute path, so it can be copied to another host. Programs run on an
interpreter of the same minor version: that of this process or, if it has another, ``pythonX.Y`` on the PATH.
"""

from __future__ import annotations

import json
import logging
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import platformdirs
from filelock import FileLock

from selfalign.core.config.execution import BUILD, STDLIB
from selfalign.core.errors import ConfigError, DataError, InfrastructureError
from selfalign.core.hashing import json_sha256, text_sha256
from selfalign.core.jsonl import read_json, write_json

logger = logging.getLogger(__name__)

MANIFEST = "environment.json"
# Time for an interpreter to report its version and paths, in seconds.
INTERPRETER_S = 60
# Lock files of the workflow; a file of the same name in the working directory precedes.
LOCKS = Path("envs/programs")
BUNDLED_LOCKS = Path(__file__).resolve().parents[2] / LOCKS
# The version that a lock was resolved for, if its packages have no wheels for later ones.
PYTHON_OF_LOCK = re.compile(r"^# Python: (\d+\.\d+)$", re.MULTILINE)
FACTS = """\
import json, sys, sysconfig
print(json.dumps([sys.version, sys.executable, sys.base_prefix, sysconfig.get_paths()["stdlib"]]))
"""


@dataclass(frozen=True)
class Interpreter:
    """A Python interpreter.

    Attributes:
        version: ``sys.version``.
        executable: path of the interpreter.
        prefix: prefix of its installation (``sys.base_prefix``).
        stdlib: directory of its standard library.
    """

    version: str
    executable: str
    prefix: str
    stdlib: str

    @property
    def release(self) -> str:
        """Version number (``3.11.7``)."""
        return self.version.split()[0]

    @property
    def minor(self) -> str:
        """Major and minor version (``3.11``)."""
        return ".".join(self.release.split(".")[:2])


@dataclass(frozen=True)
class ProgramEnvironment:
    """What programs can import.

    Attributes:
        name: name in the configuration.
        interpreter: interpreter of the programs, except with container engines, which have their own.
        packages: directory of the packages; None for ``stdlib`` and ``build``.
        sha256: hash of the manifest; empty for ``stdlib`` and ``build``.
        modules: names of the modules and packages at the top level of `packages`.
    """

    name: str
    interpreter: Interpreter
    packages: Path | None = None
    sha256: str = ""
    modules: frozenset[str] = frozenset()

    @property
    def identity(self) -> str:
        """Name and hash of the packages, independent of the interpreter."""
        return f"{self.name}@sha256:{self.sha256}" if self.sha256 else self.name

    def digest(self) -> str:
        """Return name and hash of everything that programs see of Python: interpreter and packages."""
        release = self.interpreter.release
        seen = [self.interpreter.version, platform.machine()]
        if self.name == BUILD:
            return f"python-{release}@sha256:{json_sha256([*seen, _build_distributions()])}"
        return f"{self.name}-python-{release}@sha256:{json_sha256([*seen, self.sha256])}"

    def check_modules(self, names: Iterable[str], key: str) -> None:
        """Check that programs can import packages; not known of ``build``, whose packages may be those of an image.

        Args:
            names: names of modules or packages outside the standard library.
            key: key of the configuration that names them.

        Raises:
            ConfigError: the environment lacks one.
        """
        missing = [name for name in names if name not in self.modules]
        if self.name != BUILD and missing:
            raise ConfigError(
                f"configuration: '{key}' has {missing[0]!r}, which programs cannot import (execution.environment: "
                f"{self.name}); expected {', '.join(sorted(self.modules)) or 'no package'}, or another environment"
            )


@cache
def _build_distributions() -> list[str]:
    # The directory is called NAME-VERSION.dist-info. Reading the files in it takes longer than many a program.
    return sorted(path.name for path in Path(sysconfig.get_paths()["purelib"]).glob("*.dist-info"))


def running_interpreter() -> Interpreter:
    """Return the interpreter of this process."""
    return Interpreter(sys.version, sys.executable, sys.base_prefix, sysconfig.get_paths()["stdlib"])


@cache
def find_interpreter(minor: str) -> Interpreter:
    """Return an interpreter of a minor version: that of this process, or ``pythonX.Y`` on the PATH.

    Args:
        minor: major and minor version, such as ``3.11``.

    Raises:
        InfrastructureError: there is none, or it does not start.
    """
    if running_interpreter().minor == minor:
        return running_interpreter()
    if found := shutil.which(f"python{minor}"):
        try:
            done = subprocess.run(
                [found, "-I", "-c", FACTS], capture_output=True, text=True, check=False, timeout=INTERPRETER_S
            )
        except subprocess.TimeoutExpired:
            raise InfrastructureError(
                f"{found} did not start within {INTERPRETER_S} s; expected a Python {minor} interpreter. Start it by hand to "
                "see why, then run again"
            ) from None
        if done.returncode == 0:
            return Interpreter(*json.loads(done.stdout))
    raise InfrastructureError(
        f"expected Python {minor} as python{minor} on the PATH; found only {running_interpreter().release}, which runs "
        "selfalign. Install it, or run the workflow with --sdm conda, whose environments have Python 3.11"
    )


def program_environment(name: str, directory: str | Path | None = None) -> ProgramEnvironment:
    """Return an environment.

    Args:
        name: ``stdlib``, ``build``, or the name of an installed environment.
        directory: directory of an installed environment.

    Raises:
        DataError: the directory has no valid manifest, or that of another environment.
        InfrastructureError: there is no interpreter of its version.
    """
    if name in (STDLIB, BUILD):
        return ProgramEnvironment(name, running_interpreter())
    if directory is None:
        raise ConfigError(f"environment '{name}': expected the directory in which it is installed")
    path = Path(directory).resolve()
    manifest = read_json(path / MANIFEST)
    if not _is_manifest(manifest):
        raise DataError(
            "expected the manifest of an environment; remove its directory to install it again",
            file=path / MANIFEST,
        )
    if manifest.get("name") != name:
        raise DataError(
            f"expected the environment '{name}', found '{manifest.get('name')}'", file=path / MANIFEST
        )
    interpreter = find_interpreter(manifest["python"])
    return ProgramEnvironment(
        name, interpreter, path / "packages", json_sha256(manifest), frozenset(manifest["modules"])
    )


def find_lock(name: str) -> Path:
    """Return the lock file of an environment, in the working directory or among those of the workflow.

    Args:
        name: name of the environment.

    Raises:
        ConfigError: there is none; the message lists the available environments.
    """
    for directory in (LOCKS, BUNDLED_LOCKS):
        if (path := directory / f"{name}.lock").is_file():
            return path
    known = sorted({path.stem for each in (LOCKS, BUNDLED_LOCKS) for path in each.glob("*.lock")})
    raise ConfigError(
        f"no environment is called '{name}'; expected {', '.join([STDLIB, BUILD, *known])}, or a lock file "
        f"{LOCKS}/{name}.lock"
    )


def ready_environment(name: str) -> ProgramEnvironment:
    """Return an environment, for commands; install it in the user's cache directory if needed.

    Args:
        name: ``stdlib``, ``build``, or the name of a lock file.

    Raises:
        ConfigError: no environment has this name.
        InfrastructureError: it cannot be installed, or there is no interpreter of its version.
    """
    if name in (STDLIB, BUILD):
        return program_environment(name)
    lock = find_lock(name)
    python = _interpreter_for(lock.read_text(encoding="utf-8")).minor
    directory = platformdirs.user_cache_path("selfalign") / "environments" / f"{name}-python{python}"
    directory.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{directory}.lock"):
        if not _is_current(directory, lock):
            logger.info("installing the packages of %s in %s", lock, directory)
            install_environment(lock, directory)
    return program_environment(name, directory)


def _is_current(directory: Path, lock: Path) -> bool:
    """Return whether the packages in a directory are those of a lock file."""
    try:
        manifest = read_json(directory / MANIFEST)
    except DataError:
        return False
    text = lock.read_text(encoding="utf-8")  # with the line ends of every system, as hashed in the manifest
    return _is_manifest(manifest) and manifest.get("lock_sha256") == text_sha256(text)


def _is_manifest(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("modules"), list)
        and isinstance(value.get("python"), str)
    )


def _interpreter_for(text: str) -> Interpreter:
    """Return the interpreter for the packages of a lock file."""
    found = PYTHON_OF_LOCK.search(text)
    return find_interpreter(found[1]) if found else running_interpreter()


def install_environment(lock: str | Path, directory: str | Path) -> None:
    """Install the packages of a lock file with pip; the directory is complete when it appears.

    Packages with hashes are installed without their dependencies. Those without hashes (torch, whose CPU build is
    another file than that of the package index) are installed before, with their dependencies, because builds of torch for GPUs
    need their libraries; locked versions are preferred.

    Args:
        lock: lock file in the format of pip's requirements, called ``<name>.lock``.
        directory: directory to write; an existing one is replaced.

    Raises:
        DataError: the lock file cannot be read.
        InfrastructureError: pip fails; with its last error.
    """
    lock, directory = Path(lock), Path(directory)
    try:
        text = lock.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"expected a lock file ({error.strerror})", file=lock) from None
    interpreter = _interpreter_for(text)
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix=f".{lock.stem}-") as scratch:
        made = Path(scratch, "environment")
        packages = made / "packages"
        packages.mkdir(parents=True)
        _install(_requirements(text), packages, interpreter, lock)
        # Independent of the modification times of the sources, which a copy may change.
        compiling = ["-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", str(packages)]
        # Some packages contain files for other versions of Python, which do not compile.
        subprocess.run([interpreter.executable, "-I", *compiling], capture_output=True, check=False)
        write_json(made / MANIFEST, _manifest(lock.stem, text, interpreter, packages))
        shutil.rmtree(directory, ignore_errors=True)
        made.rename(directory)


def _requirements(text: str) -> list[str]:
    """Return the requirements of a lock file, each on one line with its hashes."""
    lines = (line.strip() for line in text.replace("\\\n", " ").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _install(requirements: list[str], packages: Path, interpreter: Interpreter, lock: Path) -> None:
    hashed = [line for line in requirements if "--hash=" in line]
    others = [line for line in requirements if "--hash=" not in line]
    target = ["--target", str(packages), "--upgrade", "--no-compile", "--only-binary", ":all:"]
    target += ["--python-version", interpreter.minor, "--implementation", "cp"]
    with tempfile.TemporaryDirectory() as scratch:
        pins, versions, rest = (Path(scratch, name) for name in ("hashed.txt", "versions.txt", "others.txt"))
        pins.write_text("".join(f"{line}\n" for line in hashed), encoding="utf-8")
        versions.write_text("".join(f"{line.split()[0]}\n" for line in hashed), encoding="utf-8")
        rest.write_text("".join(f"{line}\n" for line in others), encoding="utf-8")
        if others:
            _pip(["-r", str(rest), "-c", str(versions), *target], lock)
        if hashed:
            _pip(["-r", str(pins), "--no-deps", "--require-hashes", *target], lock)


def _pip(arguments: list[str], lock: Path) -> None:
    command = [sys.executable, "-P", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run([*command, "--no-input", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no message"]
        problem = [line for line in lines if "ERROR" in line] or lines
        raise InfrastructureError(f"pip cannot install the packages of {lock}: {problem[-1]}")


def _manifest(name: str, text: str, interpreter: Interpreter, packages: Path) -> dict[str, object]:
    installed = sorted(f"{each.name}=={each.version}" for each in distributions(path=[str(packages)]))
    return {
        "name": name,
        "lock_sha256": text_sha256(text),
        "python": interpreter.minor,
        "distributions": installed,
        "modules": sorted(set(_modules(packages))),
    }


def _modules(packages: Path) -> Iterator[str]:
    for path in packages.iterdir():
        name = path.name.partition(".")[0]
        # pip puts commands into the directory `bin`.
        if name.isidentifier() and name != "bin" and (path.is_dir() or path.suffix in (".py", ".so")):
            yield name
