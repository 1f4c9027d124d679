"""Text about a failed job."""

from __future__ import annotations

import textwrap
import time
from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

LAST_LINES = 15
LONGEST_LINE = 400


def failure_text(message: Mapping[str, Any]) -> str:
    """Return the rule of a failed job, and the paths and last lines of its logs.

    Args:
        message: fields of Snakemake's record: ``rule_name``, ``wildcards``, ``log``, ``output``, ….
    """
    wildcards = ", ".join(f"{name}={value}" for name, value in dict(message.get("wildcards") or {}).items())
    lines = [
        f"[{time.asctime()}]",
        f"Error in rule {message['rule_name']}{f' ({wildcards})' if wildcards else ''}:",
    ]
    if message.get("rule_msg"):
        lines.append(f"    message: {message['rule_msg']}")
    for name in ("jobid", "output", "conda_env"):
        value = message.get(name)
        if value:
            lines.append(
                f"    {name.replace('_', '-')}: {value if isinstance(value, str | int) else ', '.join(value)}"
            )
    if message.get("shellcmd"):
        lines.append(f"    shell:\n{textwrap.indent(str(message['shellcmd']), ' ' * 8)}")
    logs = [*(message.get("log") or []), *_other_logs(message.get("aux"))]
    for log in logs:
        lines += last_lines(log)
    if not logs:
        lines.append("    this rule has no log; see the lines above")
    return "\n".join(lines)


def last_lines(log: str | Path, number: int = LAST_LINES) -> list[str]:
    """Return the path of a log and its last lines; of a progress bar, only the last state.

    Args:
        log: path of the log.
        number: number of lines.
    """
    try:
        with Path(log).open(encoding="utf-8", errors="replace", newline="\n") as handle:
            tail = deque((line.rstrip("\r\n").rpartition("\r")[2] for line in handle), maxlen=number)
    except OSError as error:
        return [f"    log: {log}: {error.strerror}"]
    if not tail:
        return [f"    log: {log} is empty"]
    return [f"    log: {log}, its last lines:", *(f"    | {line[:LONGEST_LINE]}" for line in tail)]


def _other_logs(aux: Any) -> Iterable[str]:
    """Return the logs of the executor, such as Slurm's."""
    if not isinstance(aux, Mapping):
        return []
    return [str(value) for name, value in aux.items() if "log" in str(name) and value]
