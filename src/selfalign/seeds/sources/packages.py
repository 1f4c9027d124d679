"""Pinned packages of PyPI: wheels verified by their hash, with the licence from their metadata."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from email.parser import HeaderParser
from pathlib import Path, PurePosixPath

from selfalign.core.errors import ConfigError, DataError, InfrastructureError
from selfalign.core.jsonl import atomic_path
from selfalign.seeds.sources import SourceFile

COPYLEFT = re.compile(
    r"GPL|General Public|Mozilla|MPL|EUPL|CDDL|Eclipse|EPL|CC-BY-(?:SA|NC|ND)|Proprietary", re.I
)
TEST_DIRECTORIES = {"test", "tests"}


def pinned_requirement(package: str, lock: str | Path) -> str:
    """Return the line of a lock file for a package, with its hashes.

    Args:
        package: ``name==version``.
        lock: lock file in the format of pip's requirements.

    Raises:
        ConfigError: the lock file cannot be read, or does not pin the package by a SHA-256.
    """
    try:
        text = Path(lock).read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"seeds.sources.lock: cannot be read: {lock} ({error.strerror})") from None
    for line in text.replace("\\\n", " ").splitlines():
        name, _, rest = line.strip().partition(" ")
        if name == package and "--hash=sha256:" in rest:
            return " ".join(line.split())
    raise ConfigError(f"seeds.sources.packages: {package} has no line with a SHA-256 in {lock}")


def fetch_wheel(requirement: str, out: str | Path) -> None:
    """Download the wheel of a pinned requirement by pip, which verifies its hash.

    Args:
        requirement: line of a lock file, by :func:`pinned_requirement`.
        out: file of the wheel.

    Raises:
        InfrastructureError: pip cannot download the wheel, or its hash differs.
    """
    with tempfile.TemporaryDirectory(prefix="selfalign-wheel-") as name:
        directory = Path(name)
        (directory / "requirements.txt").write_text(requirement + "\n")
        command = [sys.executable, "-P", "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        options = ["--no-deps", "--only-binary", ":all:", "--require-hashes", "-r", "requirements.txt"]
        done = subprocess.run(
            [*command, *options, "-d", "wheels"], cwd=directory, capture_output=True, text=True, check=False
        )
        wheels = sorted((directory / "wheels").glob("*.whl"))
        if done.returncode or len(wheels) != 1:
            problem = [line for line in done.stderr.splitlines() if "ERROR" in line] or ["no wheel"]
            raise InfrastructureError(f"cannot fetch {requirement.split(maxsplit=1)[0]}: {problem[-1]}")
        with atomic_path(out) as temporary:
            temporary.write_bytes(wheels[0].read_bytes())


def read_wheel(wheel: str | Path, permissive: Sequence[str]) -> Iterator[SourceFile]:
    """Yield the Python files of a wheel except its tests, sorted by path, with package, version and licence.

    Args:
        wheel: file of the wheel.
        permissive: names of accepted licences.

    Raises:
        DataError: the file is no wheel, or its licence is not accepted.
    """
    try:
        archive = zipfile.ZipFile(wheel)
    except (OSError, zipfile.BadZipFile) as error:
        raise DataError(f"expected a wheel ({error})", file=wheel) from None
    with archive:
        names = sorted(archive.namelist())
        metadata = next((name for name in names if name.endswith(".dist-info/METADATA")), None)
        if metadata is None:
            raise DataError("expected a wheel, found no METADATA", file=wheel)
        header = HeaderParser().parsestr(archive.read(metadata).decode("utf-8"))
        license_ = check_license(_licenses(header.items()), permissive, wheel)
        origin = {"package": header["Name"], "version": header["Version"], "license": license_}
        for name in names:
            if name.endswith(".py") and not TEST_DIRECTORIES & set(PurePosixPath(name).parts):
                yield SourceFile(name, archive.read(name), origin)


def check_license(found: Sequence[str], permissive: Sequence[str], file: str | Path) -> str:
    """Return the licence of a package as one line, if it is permissive.

    Args:
        found: licence expression, classifiers or free text of the metadata.
        permissive: names of accepted licences, one of which must occur as a word.
        file: the wheel, for the message.

    Raises:
        DataError: none occurs, or a copyleft or non-free licence does.
    """
    line = "; ".join(found)
    named = any(re.search(rf"\b{re.escape(name)}\b", line, re.I) for name in permissive)
    if not named or COPYLEFT.search(line):
        raise DataError(
            f"expected a permissive licence ({', '.join(permissive)}), found {line or 'none'}; the package is rejected",
            file=file,
        )
    return line


def _licenses(header: Sequence[tuple[str, str]]) -> list[str]:
    """Return the licence in the metadata: the expression, or else the classifiers, or else the free text."""
    expression = [value for key, value in header if key == "License-Expression"]
    classifiers = [
        value.rpartition(" :: ")[2]
        for key, value in header
        if key == "Classifier" and value.startswith("License ::")
    ]
    text = [value.strip().splitlines()[0][:80] for key, value in header if key == "License" and value.strip()]
    return expression or classifiers or text
