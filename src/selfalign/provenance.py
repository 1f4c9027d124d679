"""The provenance of a run: one JSON file beside the report, and the check of a run's files against it.

It records times and hosts, which no other output contains.
"""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfalign import __version__
from selfalign.core.checkpoint import CARD
from selfalign.core.config import Config
from selfalign.core.config.revisions import read_record
from selfalign.core.errors import DataError
from selfalign.core.hashing import file_sha256, json_sha256
from selfalign.core.host import read_hosts
from selfalign.core.jsonl import read_json, read_jsonl, write_json

PROVENANCE = "report/provenance.json"
# A pinned package of a lock file, with or without hashes after it.
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s\\]+)")


def write_provenance(
    config: Config,
    out: str | Path,
    *,
    run: str | Path,
    artifacts: Iterable[str | Path],
    sources: Iterable[str | Path],
    verdicts: Iterable[str | Path],
    revisions: Iterable[str | Path] = (),
    locks: Iterable[str | Path],
    project: str | Path,
    records: Mapping[str, dict[str, Any]],
) -> None:
    """Write the provenance of a run.

    Args:
        config: configuration of the run.
        out: JSON file to write.
        run: directory of the run; artifacts are named by their paths relative to it.
        artifacts: files and directories that the run wrote; directories are listed file by file.
        sources: input files from outside the run (wheels, prompts, benchmark data).
        verdicts: JSON Lines of verdicts, for the sandbox's runtimes and images.
        revisions: records of the branches and tags on the hub that were resolved to the commits in `config`.
        locks: lock files of the whole environment, in pip's format.
        project: directory of the workflow, for its commit.
        records: rule, start and end of the job that made each file, by the file's path.
    """
    run = Path(run)
    settings = config.model_dump(mode="json")
    made = {}
    for path in _files(artifacts):
        record = records.get(str(path)) or _record_of_directory(records, path)
        made[path.relative_to(run).as_posix()] = {
            "sha256": file_sha256(path),
            "bytes": path.stat().st_size,
            **record,
        }
    document = {
        "run": config.run,
        "written": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "selfalign": __version__,
        "commit": commit(project),
        "configuration": settings,
        "configuration_sha256": json_sha256(settings),
        "environment": environment(locks),
        "images": {"sandbox": _sandboxes(verdicts), "server": _server_image(config)},
        "models": {
            name: _card(run / "model" / name)
            for name in ("base", "tuned", *(["preferred"] if config.preferences.enabled else []))
        },
        "revisions": [read_record(path)._asdict() for path in revisions],
        "sources": {str(path): file_sha256(path) for path in _files(sources)},
        "hosts": _hosts(run / "logs"),
        "artifacts": dict(sorted(made.items())),
    }
    write_json(out, document)


def commit(project: str | Path) -> dict[str, Any] | None:
    """Return the commit of a working copy and its modified tracked files; None outside of git.

    Args:
        project: top directory of the working copy.
    """

    # Variables such as GIT_DIR, which are set in a hook, name another repository.
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(project), *arguments], check=True, capture_output=True, text=True, env=env
        ).stdout

    try:
        if Path(git("rev-parse", "--show-toplevel").strip()) != Path(project).resolve():
            return None
        changed = git("status", "--porcelain", "--untracked-files=no").splitlines()
        return {"id": git("rev-parse", "HEAD").strip(), "modified": [line[3:] for line in changed]}
    except (OSError, subprocess.CalledProcessError):
        return None


def environment(locks: Iterable[str | Path]) -> dict[str, Any]:
    """Return the hashes of the lock files, and the packages whose installed version differs (None: not installed).

    An environment of a rule has only some of the packages, and selfalign itself is not installed in it; there, packages
    that are not installed are not listed.

    Args:
        locks: lock files in pip's format.
    """
    whole, differing = _installed("selfalign") is not None, {}
    locks = list(map(str, locks))
    for line in (line for lock in locks for line in Path(lock).read_text(encoding="utf-8").splitlines()):
        if not (pin := PIN.match(line)):
            continue
        version = _installed(pin[1])
        if whole if version is None else version.split("+")[0] != pin[2]:
            differing[pin[1]] = version
    return {
        "locks": {lock: file_sha256(lock) for lock in locks},
        "python": platform.python_version(),
        "not_as_locked": differing,
    }


def _installed(package: str) -> str | None:
    """Return the installed version of a package, None if there is none."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _files(paths: Iterable[str | Path]) -> list[Path]:
    """Return the files among `paths` and below their directories, sorted and unique."""
    found: set[Path] = set()
    for path in map(Path, paths):
        found.update(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else found.add(path)
    # Skip Snakemake's empty marker file of directory outputs.
    return sorted(path for path in found if path.name != ".snakemake_timestamp")


def _record_of_directory(records: Mapping[str, dict[str, Any]], path: Path) -> dict[str, Any]:
    return next((records[str(parent)] for parent in path.parents if str(parent) in records), {})


def _sandboxes(files: Iterable[str | Path]) -> list[dict[str, str]]:
    """Return the sandbox runtimes and images (with digests) that were used."""
    seen = {(row.get("runtime", ""), row.get("image", "")) for file in files for row in read_jsonl(file)}
    return [{"runtime": runtime, "image": image} for runtime, image in sorted(seen) if runtime]


def _server_image(config: Config) -> str | None:
    return config.server.container.image if config.server.kind == "container" else None


def _card(directory: Path) -> dict[str, Any] | None:
    """Return the content of a checkpoint's ``selfalign.json``, or None."""
    return read_json(directory / CARD) if (directory / CARD).exists() else None


def _hosts(logs: Path) -> list[dict[str, Any]]:
    """Return the hosts that jobs ran on, with the number of jobs."""
    hosts: dict[str, dict[str, Any]] = {}
    for log in sorted(logs.rglob("*.log")):
        for facts in read_hosts(log)[-1:]:
            host = hosts.setdefault(facts["name"], {**facts, "jobs": 0})
            host["jobs"] += 1
    return [hosts[name] for name in sorted(hosts)]


@dataclass(frozen=True)
class Verification:
    """Result of a verification.

    Attributes:
        checked: number of files compared.
        problems: description of the difference, by file.
    """

    checked: int
    problems: dict[str, str]


def verify_run(run: str | Path) -> Verification:
    """Compare the hash of every artifact of a run with the run's provenance.

    Args:
        run: directory of the run.

    Raises:
        DataError: the run has no provenance file, or it has another format.
    """
    run = Path(run)
    path = run / PROVENANCE
    if not path.exists():
        raise DataError("no such file; expected the directory of a finished run", file=path)
    document = read_json(path)
    try:
        artifacts = document["artifacts"]
        settings = json_sha256(document["configuration"]) == document["configuration_sha256"]
        problems = {} if settings else {PROVENANCE: "its configuration was changed"}
        for name, expected in artifacts.items():
            if problem := _compare(run / name, expected["sha256"], expected["bytes"]):
                problems[name] = problem
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"expected a provenance file as written by the workflow ({error})", file=path
        ) from None
    return Verification(len(artifacts), problems)


def _compare(path: Path, sha256: str, size: int) -> str | None:
    if not path.is_file():
        return "is missing"
    if path.stat().st_size != size:
        return f"has {path.stat().st_size} bytes, not {size}"
    found = file_sha256(path)
    return None if found == sha256 else f"has SHA-256 {found}, not {sha256}"
