"""No escape, no survivor, the right verdict, and the next program unharmed, for every hostile program."""

import os
from pathlib import Path

import pytest
from hostile import HOSTILE

from selfalign.sandbox import Limits, Program, open_pool

LIMITS = Limits(wall_s=4.0, cpu_s=2.0, memory_mb=256)
NEXT = (
    "import fcntl, os, socket, sys, zipfile\n"
    "socket.create_server(('127.0.0.1', 8124)).close()\n"
    "assert os.listxattr('/tmp') == os.listxattr('/dev/shm') == []\n"
    "null = os.open('/dev/null', os.O_RDONLY)\n"
    "fcntl.flock(null, fcntl.LOCK_EX | fcntl.LOCK_NB)\n"
    "assert fcntl.fcntl(null, fcntl.F_GETFL) == fcntl.fcntl(0, fcntl.F_GETFL) & ~os.O_RDWR\n"
    "assert len(os.openpty()) == 2\n"
    "assert os.listdir('/tmp') == [] and os.listdir('/dev/shm') == []\n"
    "assert sorted(int(n) for n in os.listdir('/proc') if n.isdigit()) == [1, os.getpid()]\n"
    "open('/tmp/x', 'w').write('x')\n"
    f"assert os.sched_getaffinity(0) == {os.sched_getaffinity(0)}\n"
    f"assert os.getpriority(os.PRIO_PROCESS, 0) == {os.getpriority(os.PRIO_PROCESS, 0)}\n"
    f"assert os.sched_getscheduler(0) == {os.sched_getscheduler(0)}\n"
    "assert sys.stdin.read() == 'hello'"
)


@pytest.fixture(scope="module")
def verdicts():
    programs = []
    for name, (_, source) in HOSTILE.items():
        programs += [Program(name, source), Program(f"after {name}", NEXT, stdin="hello")]
    before = processes_below_us()
    # One slot, so that what a program leaves would meet the next.
    with open_pool("bubblewrap", workers=1, limits=LIMITS) as pool:
        found = {verdict.key: verdict for verdict in pool.run(programs)}
        found["restarts"] = pool.restarts
    found["left"] = processes_below_us() - before
    return found


def processes_below_us():
    """Return the ids of all processes started by this one, at any depth."""
    parents = {}
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            try:
                parents[int(place.name)] = int((place / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    below, queue = set(), [os.getpid()]
    while queue:
        parent = queue.pop()
        children = {pid for pid, its in parents.items() if its == parent} - below
        below |= children
        queue += children
    return below


def test_there_are_enough():
    assert len(HOSTILE) >= 40


@pytest.mark.parametrize("name", HOSTILE)
def test_the_verdict_is_right(verdicts, name):
    verdict = verdicts[name]
    assert verdict.status in HOSTILE[name][0], (verdict.error, verdict.stderr[-500:])


@pytest.mark.parametrize("name", HOSTILE)
def test_the_next_program_is_unharmed(verdicts, name):
    verdict = verdicts[f"after {name}"]
    assert verdict.status == "passed", (verdict.status, verdict.stderr[-500:])


def test_nothing_survives_the_pool(verdicts):
    assert verdicts["left"] == set()


def test_no_slot_died(verdicts):
    assert verdicts["restarts"] == 0
