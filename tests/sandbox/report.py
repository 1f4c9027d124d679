"""Print a table of the hostile programs, as Markdown: verdict, the next program's verdict, survivors, effects on the host.

    python -m tests.sandbox.report [RUNTIME]

Ends with status 1 if a verdict is not among the expected ones, the next program does not pass, or something is left.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
from tests.sandbox import hostile

from selfalign.sandbox import Limits, Pool, Program, open_pool

LIMITS = Limits(wall_s=4.0, cpu_s=2.0, memory_mb=256)
NEXT = "import os\nassert os.listdir('/tmp') == os.listdir('/dev/shm') == []"
GROUPS = ("FORGERIES", "OUTLIVING", "REACHING", "FILLING", "LEAVING")
INTRODUCTION = """\
# Hostile programs

What the sandbox makes of the programs of `tests/sandbox/hostile.py`, one after the other in one slot, as printed by `make hostile`.
The next program has to pass. Survivors are processes besides those of the idle slot. Effects on the host are changes in its mounts, IPC
objects and asynchronous I/O contexts, and files in the directory that the sandbox was started from.
"""


def host_state() -> dict[str, object]:
    """Return what a program could change on the host."""
    ipc = [Path(f"/proc/sysvipc/{kind}") for kind in ("msg", "sem", "shm")]
    aio = Path("/proc/sys/fs/aio-nr")
    return {
        "mounts": Path("/proc/self/mounts").read_text(),
        "IPC objects": [path.read_text().count("\n") for path in ipc if path.exists()],
        "I/O contexts": aio.read_text() if aio.exists() else "",
        "files": sorted(Path().iterdir()),
    }


def rows(pool: Pool) -> Iterator[tuple[str, str, str, str, int, str, bool]]:
    """Yield name, kind, verdicts of the program and the next one, survivors, effects, and whether all is right."""
    (_,) = pool.run([Program("first", "")])
    me = psutil.Process()
    usual = len(me.children(recursive=True))
    for group in GROUPS:
        for name, (expected, source) in getattr(hostile, group).items():
            before = host_state()
            verdict, following = pool.run([Program(name, source), Program("next", NEXT)])
            survivors = len(me.children(recursive=True)) - usual
            after = host_state()
            effects = ", ".join(each for each in before if before[each] != after[each]) or "none"
            found = verdict.status + (f" ({verdict.error})" if verdict.error else "")
            right = verdict.status in expected and following.status == "passed"
            right = right and survivors == 0 and effects == "none"
            yield name, group.lower(), found, following.status, survivors, effects, right


def main() -> int:
    """Print the table; return the exit status."""
    print(INTRODUCTION)
    print("| program | kind | verdict | next | survivors | effects on the host |")
    print("|---|---|---|---|---:|---|")
    wrong = 0
    with open_pool(sys.argv[1] if sys.argv[1:] else "bubblewrap", workers=1, limits=LIMITS) as pool:
        for *cells, right in rows(pool):
            wrong += not right
            print("|", " | ".join(map(str, cells)), "|" if right else "| **wrong**", flush=True)
        print(f"\n{wrong} rows are wrong; the slot died {pool.restarts} times.")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
