"""One part of a verdict (base or plus tests), as score files and comparisons have it."""

from __future__ import annotations

from typing import Any

from selfalign.evaluate.harness import read_reason
from selfalign.sandbox import Verdict

PASS, FAIL, TIMEOUT = "pass", "fail", "timeout"


def part_verdict(verdict: Verdict) -> dict[str, Any]:
    """Return ``status`` (pass, fail, timeout), ``reason`` and ``failing_input`` of a program's verdict."""
    if verdict.status == "passed":
        return {"status": PASS, "reason": None, "failing_input": None}
    found = read_reason(verdict.stderr)
    reason = found.get("reason") or verdict.error or verdict.status
    timed_out = verdict.status == "timeout" or reason == "TimeoutError"
    return {
        "status": TIMEOUT if timed_out else FAIL,
        "reason": reason,
        "failing_input": found.get("input"),
    }
