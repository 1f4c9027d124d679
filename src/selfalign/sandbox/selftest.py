"""The self-test of a runtime: what it must refuse, tried before the first program is given to it."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from selfalign.core.errors import SelfalignError
from selfalign.sandbox.launch import Runtime
from selfalign.sandbox.slot import Slot
from selfalign.sandbox.types import Limits, Program

LIMITS = Limits(wall_s=10.0, cpu_s=1.0, memory_mb=256, processes=16)


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes:
        name: what is checked.
        problem: what is wrong; None: nothing.
    """

    name: str
    problem: str | None


# Name, program, statuses that are right.
PROBES = (
    ("runs Python", "assert sum(range(10)) == 45", {"passed"}),
    ("sees a failed assertion", "assert False", {"assertion"}),
    ("sees an early exit", "import os\nos._exit(0)", {"early_exit"}),
    (
        "has no network",
        "import socket\ntry:\n    socket.create_connection(('192.0.2.1', 80), 1)\n"
        "except TimeoutError:\n    raise\nexcept OSError as e:\n    assert e.errno in (101, 113, 1, 13), e",
        {"passed"},
    ),
    (
        "cannot write outside its scratch space",
        "import os\nfor top in ('/', '/usr/lib', '/opt', '/etc', '/dev', '/proc/sys/kernel', '/run', '/var/tmp'):\n"
        "    try:\n        open(top + '/selfalign-probe', 'w')\n    except OSError:\n        continue\n"
        "    raise AssertionError(top)",
        {"passed"},
    ),
    (
        "sees no other processes",
        "import os\nassert sum(n.isdigit() for n in os.listdir('/proc')) <= 2",
        {"passed"},
    ),
    ("has no environment of ours", "import os\nassert len(os.environ) <= 16, os.environ", {"passed"}),
    (
        "has no privileges",
        "s = dict(l.split(':', 1) for l in open('/proc/self/status'))\n"
        "assert int(s['CapEff'], 16) == int(s['CapPrm'], 16) == int(s['CapAmb'], 16) == 0\n"
        "assert s['NoNewPrivs'].strip() == '1' and s['Seccomp'].strip() == '2'\n"
        "import os\nassert os.getuid() != 0",
        {"passed"},
    ),
    (
        "is ended for a forbidden call",
        "import ctypes\nctypes.CDLL(None).ptrace(0, 0, 0, 0)",
        {"forbidden"},
    ),
    ("has a memory limit", "x = bytearray(1 << 30)", {"memory"}),
    (
        "has a limit for all processes' memory",
        "import os, time\nfor _ in range(4):\n    if os.fork() == 0:\n        x = b'x' * (150 << 20)\n        time.sleep(5)\n"
        "        os._exit(0)\ntime.sleep(5)",
        {"memory"},
    ),
    (
        "has a limit of processes",
        "import os, time\ntry:\n    for _ in range(64):\n        if os.fork() == 0:\n            time.sleep(3)\n"
        "            os._exit(0)\nexcept BlockingIOError:\n    pass\nelse:\n    raise AssertionError",
        {"passed"},
    ),
    ("leaves a file", "open('/tmp/left', 'w').write('x')", {"passed"}),
    ("finds nothing of the program before", "import os\nassert os.listdir('/tmp') == []", {"passed"}),
)
# Takes as long as all the others together, so it is tried in a second slot meanwhile.
LONG_PROBE = ("has a CPU limit", "while True:\n    pass", {"timeout"})


def self_test(runtime: Runtime) -> list[Check]:
    """Return the checks of a runtime; only the first where it does not start.

    Args:
        runtime: to try.
    """
    with ThreadPoolExecutor(1) as other:
        meanwhile = other.submit(_try, runtime, [LONG_PROBE])
        checks = _try(runtime, PROBES)
        first, *more = meanwhile.result()
    if checks[0].problem:
        return checks
    return [*checks, *([first] if first.problem else more)]


def _try(runtime: Runtime, probes: Sequence[tuple[str, str, set[str]]]) -> list[Check]:
    """Return what becomes of probes in a slot of their own."""
    try:
        slot = Slot(runtime)
    except SelfalignError as error:
        return [Check("starts", str(error))]
    checks = [Check("starts", None)]
    name = ""
    try:
        for name, source, right in probes:
            verdict = slot.run(Program(name, source), LIMITS)
            problem = None
            if verdict.status not in right:
                last = verdict.stderr.strip().splitlines()[-1:] or [verdict.error or ""]
                problem = f"{verdict.status}: {last[0]}"
            checks.append(Check(name, problem))
    except SelfalignError as error:
        checks.append(Check(name, str(error)))
    else:
        slot.close()
    return checks
