"""From what was observed of a program to its verdict."""

import json
import os
import signal

KINDS = ("syntax", "exit", "memory", "assertion", "exception")
# Limit that a program exceeded: status and error of its verdict.
EXCEEDED = {
    "wall": ("timeout", "wall"),
    "cpu": ("timeout", "cpu"),
    "memory": ("memory", None),
    "files": ("memory", "files"),
    "output": ("output", None),
}
ERROR_CHARACTERS = 200
# A longer message is none of ours, and can be nested too deeply to read.
MESSAGE_CHARACTERS = 1 << 13


def verdict_of(run):
    """Return the verdict as the supervisor expects it.

    Args:
        run: a finished `run.Run`.
    """
    status, error, exit_code = judge(run)
    out, err, _ = run.data
    return {
        "key": run.job["key"],
        "status": status,
        "error": error,
        "stdout": text(out[: run.bounds.output]),
        "stderr": text(err[: run.bounds.output]),
        "wall_s": round(run.wall_s, 4),
        "cpu_s": round(run.cpu_s, 4),
        "peak_memory_mb": round(run.peak_kb / 1024, 1),
        "exit_code": exit_code,
        "last": run.leaves_traces,
    }


def judge(run):
    """Return status, error and exit code of the verdict.

    Args:
        run: a finished `run.Run`.
    """
    if run.end == "proved":
        status, error = judge_tests(run)
        return status, error, 0
    if run.end in EXCEEDED:
        return *EXCEEDED[run.end], None
    if os.WIFSIGNALED(run.status):
        return judge_signal(os.WTERMSIG(run.status), run)
    exit_code = os.WEXITSTATUS(run.status)
    report = read_report(text(run.data[2]))
    if report is None or report["kind"] == "exit":
        return "early_exit", f"exit {exit_code}", exit_code
    return report["kind"], report["error"], None


def judge_tests(run):
    """Return status and error of a program that has come to its end, by what was observed of its tests.

    Args:
        run: the finished `run.Run`. The observation is the line before the announcement of the end.
    """
    if run.job["tests_line"] is None:
        return "passed", None
    try:
        found = read_message(text(run.data[2]).split("\n")[-3])
        failed, not_run = (without_surrogates(", ".join(found[each])) for each in ("failed", "not_run"))
        empty, evaluated = found["empty"], found["evaluated"]
    except (IndexError, KeyError, TypeError):
        return "forbidden", "control pipe"
    if failed:
        return "assertion", f"{failed[:ERROR_CHARACTERS]}: failed, and the program continued"
    if not_run:
        return "tests_not_run", not_run[:ERROR_CHARACTERS]
    if empty:
        return "empty", None
    return ("passed" if evaluated else "no_assertion"), None


def judge_signal(number, run):
    """Return the verdict on a program whose process a signal ended.

    Args:
        number: the signal's.
        run: the finished `run.Run`.
    """
    name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
    if number == signal.SIGXCPU or (number == signal.SIGKILL and run.cpu_s >= run.job["limits"]["cpu_s"]):
        return "timeout", "cpu", None
    if number == signal.SIGSYS:
        return "forbidden", name, None
    return "early_exit", name, None


def read_report(message):
    """Return what the program reported about its failure, or None if the message has another form.

    Args:
        message: text that the program wrote to the control pipe (see `program.report`).
    """
    report = read_message(message.split("\n", 1)[0])
    if report.get("kind") not in KINDS or not isinstance(report.get("error"), str):
        return None
    return {"kind": report["kind"], "error": without_surrogates(report["error"])[:ERROR_CHARACTERS]}


def read_message(message):
    """Return a JSON object that a program's process wrote; empty if it is none.

    Args:
        message: text, which can be anything.
    """
    if len(message) > MESSAGE_CHARACTERS:
        return {}
    try:
        found = json.loads(message)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def without_surrogates(message):
    """Return a text that can be written as UTF-8."""
    return message.encode("utf-8", "replace").decode()


def text(data):
    """Return the text of bytes that a program wrote; what is not UTF-8 becomes lone surrogates.

    Args:
        data: bytes or bytearray.
    """
    return data.decode("utf-8", "surrogateescape")
