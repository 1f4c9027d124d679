"""Control groups for slots that no container engine makes one for: memory and number of processes of a whole slot.

They are made where this user may make them (commonly only root may). Where not, the limits of the zygote hold all
the same: address space and processes of each program, and the memory of its processes together by looking at them.
Version 2 (one tree) and version 1 (a tree for each controller) of the kernel's interface; see cgroups(7).
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

logger = logging.getLogger(__name__)

PREFIX = "selfalign-"
REMOVE_S = 5.0
# Joins the groups given first, then becomes the command.
JOIN = 'for n in $(seq "$1"); do shift; echo $$ > "$1/cgroup.procs" || exit 1; done; shift; exec "$@"'


def make_groups(memory_mb: int, processes: int) -> list[Path]:
    """Make control groups for one slot; return their directories, none where that cannot be done.

    Args:
        memory_mb: most memory of all processes together, in MiB; swap does not add to it.
        processes: most processes and threads together.
    """
    mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8")
    membership = Path("/proc/self/cgroup").read_text(encoding="utf-8")
    memory, swap = str(memory_mb << 20), "0"
    for parent in unified_parents(mounts, membership):
        limits = {"memory.max": memory, "memory.swap.max": swap, "pids.max": str(processes)}
        if group := _make(parent, limits, needed=("memory.max", "pids.max")):
            return [group]
    groups = []
    for controller, limits in (
        (
            "memory",
            {
                "memory.limit_in_bytes": memory,
                "memory.memsw.limit_in_bytes": memory,
                # What waits in TCP sockets; version 2 counts it with the rest.
                "memory.kmem.tcp.limit_in_bytes": memory,
            },
        ),
        ("pids", {"pids.max": str(processes)}),
    ):
        for parent in controller_parents(mounts, membership, controller):
            if group := _make(parent, limits, needed=tuple(limits)[:1]):
                groups.append(group)
                break
    if not groups:
        logger.debug("no control groups can be made here; the zygote alone limits memory and processes")
    return groups


def join_groups(groups: Sequence[Path], command: Sequence[str]) -> list[str]:
    """Return a command that joins control groups and then becomes another.

    Args:
        groups: directories of the groups.
        command: what to become.
    """
    if not groups:
        return list(command)
    return ["/bin/sh", "-c", JOIN, "sh", str(len(groups)), *map(str, groups), *command]


def remove_groups(groups: Sequence[Path]) -> None:
    """Kill what is still in control groups, and remove them.

    Args:
        groups: their directories.
    """
    for group in groups:
        deadline = time.monotonic() + REMOVE_S
        while group.exists() and time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                for pid in (group / "cgroup.procs").read_text().split():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(int(pid), signal.SIGKILL)
                group.rmdir()
            time.sleep(0.01 if group.exists() else 0)


def out_of_memory_kills(groups: Sequence[Path]) -> int:
    """Return how often the kernel has killed something in control groups because they had no memory left.

    Args:
        groups: their directories.
    """
    kills = 0
    for group in groups:
        for name in ("memory.events", "memory.oom_control"):
            with contextlib.suppress(OSError):
                for line in (group / name).read_text(encoding="utf-8").splitlines():
                    word, _, count = line.partition(" ")
                    kills += int(count) if word == "oom_kill" else 0
    return kills


def unified_parents(mounts: str, membership: str) -> Iterator[Path]:
    """Yield where a group of version 2 could be made: below our own group, then ever higher.

    Args:
        mounts: what /proc/self/mountinfo says.
        membership: what /proc/self/cgroup says.
    """
    place = _mount(mounts, "cgroup2", "")
    own = next((line[3:] for line in membership.splitlines() if line.startswith("0::")), None)
    if place is not None and own is not None:
        yield from _upwards(place, own)


def controller_parents(mounts: str, membership: str, controller: str) -> Iterator[Path]:
    """Yield where a group of version 1 could be made for a controller: below our own group, then ever higher.

    Args:
        mounts: what /proc/self/mountinfo says.
        membership: what /proc/self/cgroup says.
        controller: name of the controller.
    """
    place = _mount(mounts, "cgroup", controller)
    for line in membership.splitlines():
        _, controllers, own = line.split(":", 2)
        if place is not None and controller in controllers.split(","):
            yield from _upwards(place, own)


def _mount(mounts: str, kind: str, option: str) -> Path | None:
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        found, _, options = after.split(" ", 2)
        if found == kind and (not option or option in options.split(",")):
            return Path(before.split()[4])
    return None


def _upwards(place: Path, own: str) -> Iterator[Path]:
    path = place / own.lstrip("/")
    while path != place:
        yield path
        path = path.parent
    yield place


def _make(parent: Path, limits: dict[str, str], needed: Sequence[str]) -> Path | None:
    """Make a group below `parent` with the limits; None if it is not allowed or cannot limit what is needed."""
    group = parent / f"{PREFIX}{os.getpid()}-{secrets.token_hex(4)}"
    try:
        _remove_abandoned(parent)
        group.mkdir()
    except OSError:
        return None
    try:
        if all((group / name).exists() for name in needed):
            for name, value in limits.items():
                if (group / name).exists():
                    with contextlib.suppress(*([] if name in needed else [OSError])):
                        (group / name).write_text(value)
            return group
    except OSError:
        pass
    with contextlib.suppress(OSError):
        group.rmdir()
    return None


def _remove_abandoned(parent: Path) -> None:
    """Remove groups whose maker was killed; one that still has processes cannot be removed, and stays."""
    for group in parent.glob(f"{PREFIX}*"):
        maker = group.name.removeprefix(PREFIX).partition("-")[0]
        if not Path(f"/proc/{maker}").exists():
            with contextlib.suppress(OSError):
                group.rmdir()
