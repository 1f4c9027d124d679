"""From what was seen of a program to its verdict."""

import json
import signal


def judge(seen, limits):
    """Return status, error and exit code of what was seen."""
    end = seen["end"]
    if end == "proved":
        return "passed", None, 0
    if end in ("wall", "cpu"):
        return "timeout", end, None
    if end in ("memory", "output"):
        return end, None, None
    if seen["signal"] is not None:
        return judge_signal(seen, limits)
    said = read_report(seen["report"])
    if said is None or said["kind"] == "exit":
        return "early_exit", f"exit {seen['status']}", seen["status"]
    return said["kind"], said["error"], None


def judge_signal(seen, limits):
    """Return the verdict on a program that a signal ended."""
    number = seen["signal"]
    name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
    if number == signal.SIGXCPU or (number == signal.SIGKILL and seen["cpu_s"] >= limits["cpu_s"]):
        return "timeout", "cpu", None
    if number == signal.SIGSYS:
        return "forbidden", name, None
    return "early_exit", name, None


def read_report(text):
    """Return what the program said about its failure, if it has the form."""
    try:
        said = json.loads(text.split("\n", 1)[0])
    except ValueError:
        return None
    kinds = ("syntax", "exit", "memory", "assertion", "exception")
    if not isinstance(said, dict) or said.get("kind") not in kinds or not isinstance(said.get("error"), str):
        return None
    return {"kind": said["kind"], "error": said["error"][:200]}


def answer(job, seen):
    """Return the verdict as the supervisor expects it."""
    status, error, exit_code = judge(seen, job["limits"])
    return {
        "key": job["key"],
        "status": status,
        "error": error,
        "stdout": seen["stdout"],
        "stderr": seen["stderr"],
        "wall_s": round(seen["wall_s"], 4),
        "cpu_s": round(seen["cpu_s"], 4),
        "peak_memory_mb": round(seen["peak_kb"] / 1024, 1),
        "exit_code": exit_code,
    }
