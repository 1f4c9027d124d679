"""The workflow manager's own record of each file it made: rule and times."""

from __future__ import annotations

import base64
import binascii
import datetime
import json
from pathlib import Path
from typing import Any

# Where records lie, one JSON file for each output, named by the URL-safe base64 of its path.
RECORDS = Path(".snakemake/metadata")


def workflow_records(directory: Path = RECORDS) -> dict[str, dict[str, Any]]:
    """Return rule, start and end of the job that made each file, by the file's path.

    Records kept elsewhere (in a database) are not looked for: then there are none.
    """
    found = {}
    for path in directory.rglob("*"):
        if not path.is_file():
            continue
        try:
            # Long names are cut into directories whose names begin with @.
            name = "".join(part.removeprefix("@") for part in path.relative_to(directory).parts)
            output = base64.urlsafe_b64decode(name).decode()
            record = json.loads(path.read_text(encoding="utf-8"))
        except (binascii.Error, UnicodeDecodeError, json.JSONDecodeError):
            continue
        found[output] = {
            "rule": record.get("rule"),
            "started": _time(record.get("starttime")),
            "ended": _time(record.get("endtime")),
        }
    return found


def _time(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat(timespec="seconds")
