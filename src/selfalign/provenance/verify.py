"""Whether the files of a run are still those that its provenance names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from selfalign.core.errors import DataError
from selfalign.core.hashing import file_sha256, json_sha256
from selfalign.core.jsonl import read_json

PROVENANCE = "report/provenance.json"


@dataclass(frozen=True)
class Verdict:
    """What was found: how many files were compared, and what is wrong with which."""

    checked: int
    problems: dict[str, str]


def verify_run(run: str | Path) -> Verdict:
    """Hash every artifact of a run again and compare it with the run's provenance.

    Raises:
        DataError: the run has no provenance, or it is not one of ours.
    """
    run = Path(run)
    path = run / PROVENANCE
    if not path.exists():
        raise DataError("no provenance here; expected the directory of a finished run", file=path)
    document = read_json(path)
    try:
        artifacts = document["artifacts"]
        settings = json_sha256(document["configuration"]) == document["configuration_sha256"]
        problems = {} if settings else {PROVENANCE: "its configuration was changed"}
        for name, expected in artifacts.items():
            if problem := _compare(run / name, expected["sha256"], expected["bytes"]):
                problems[name] = problem
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f"expected a provenance as the workflow writes it ({error})", file=path) from None
    return Verdict(len(artifacts), problems)


def _compare(path: Path, sha256: str, size: int) -> str | None:
    if not path.is_file():
        return "is missing"
    if path.stat().st_size != size:
        return f"has {path.stat().st_size} bytes, not {size}"
    found = file_sha256(path)
    return None if found == sha256 else f"has SHA-256 {found}, not {sha256}"
