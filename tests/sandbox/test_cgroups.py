"""Control groups for slots: found, joined, limiting, and gone."""

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from selfalign.sandbox import Limits, Program, open_pool
from selfalign.sandbox.bubblewrap import Bubblewrap
from selfalign.sandbox.cgroups import (
    controller_parents,
    join_groups,
    make_groups,
    remove_groups,
    unified_parents,
)
from selfalign.sandbox.slot import Slot

MOUNTS = """\
30 24 0:26 / /sys/fs/cgroup/unified rw,nosuid - cgroup2 cgroup2 rw,nsdelegate
31 24 0:27 / /sys/fs/cgroup/memory rw,nosuid - cgroup cgroup rw,memory
32 24 0:28 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid - cgroup cgroup rw,cpu,cpuacct
33 24 0:29 / / rw - ext4 /dev/sda1 rw
"""
MEMBERSHIP = "4:memory:/user/one\n3:cpu,cpuacct:/\n0::/user.slice/a.scope\n"


def test_groups_are_looked_for_from_our_own_upwards():
    unified = Path("/sys/fs/cgroup/unified")
    assert list(unified_parents(MOUNTS, MEMBERSHIP)) == [
        unified / "user.slice/a.scope",
        unified / "user.slice",
        unified,
    ]
    memory = Path("/sys/fs/cgroup/memory")
    assert list(controller_parents(MOUNTS, MEMBERSHIP, "memory")) == [
        memory / "user/one",
        memory / "user",
        memory,
    ]
    assert list(controller_parents(MOUNTS, MEMBERSHIP, "pids")) == []
    assert list(unified_parents(MOUNTS, "1:name=systemd:/\n")) == []


def test_without_groups_the_command_is_as_it_was():
    assert join_groups([], ["true"]) == ["true"]


def test_a_command_that_cannot_join_does_not_run(tmp_path):
    command = join_groups([tmp_path / "gone"], ["touch", str(tmp_path / "ran")])
    assert subprocess.run(command, capture_output=True, check=False).returncode == 1
    assert not (tmp_path / "ran").exists()


@pytest.fixture
def groups():
    made = make_groups(300, 64)
    if not made:
        pytest.skip("needs permission to create control groups: run `make test` as root")
    yield made
    remove_groups(made)


def test_a_command_joins_and_is_killed_with_the_group(groups):
    process = subprocess.Popen(join_groups(groups, ["sleep", "60"]))
    deadline = time.monotonic() + 10
    while psutil.Process(process.pid).name() != "sleep" and time.monotonic() < deadline:
        time.sleep(0.01)
    said = Path(f"/proc/{process.pid}/cgroup").read_text()
    assert all(group.name in said for group in groups)
    remove_groups(groups)
    assert process.wait(10) == -9
    assert not any(group.exists() for group in groups)


def test_the_kernel_ends_a_group_that_takes_too_much(groups):
    program = "x = bytearray(600 << 20)"
    done = subprocess.run(join_groups(groups, [sys.executable, "-c", program]), check=False)
    assert done.returncode == -9


def test_a_slot_is_in_its_groups_and_leaves_none(groups):
    before = {path for group in groups for path in group.parent.iterdir()}
    slot = Slot(Bubblewrap())
    try:
        (zygote,) = psutil.Process(slot._process.pid).children()
        assert "selfalign-" in Path(f"/proc/{zygote.pid}/cgroup").read_text()
        verdict = slot.run(Program("one", "assert True"), Limits())
        assert verdict.status == "passed"
    finally:
        slot.close()
    assert {path for group in groups for path in group.parent.iterdir()} == before


@pytest.mark.usefixtures("groups")
def test_memory_that_no_process_has_is_seen_by_the_kernel():
    # Files in memory are nobody's resident set, nor address space: only the group's limit ends this.
    fill = "import os\nfor n in range(60):\n    os.write(os.memfd_create(str(n)), b'x' * (16 << 20))"
    with open_pool("bubblewrap", workers=1, limits=Limits(memory_mb=128)) as pool:
        verdicts = [next(pool.run([Program("fill", fill)])), next(pool.run([Program("next", "assert True")]))]
        assert pool.restarts == 0
    assert [(verdict.status, verdict.error) for verdict in verdicts] == [("memory", None), ("passed", None)]


@pytest.mark.usefixtures("groups")
def test_what_a_killed_supervisor_left_is_removed_by_the_next():
    program = (
        "import os; from selfalign.sandbox.cgroups import make_groups\n"
        "print(*make_groups(300, 64), flush=True); os.kill(os.getpid(), 9)"
    )
    left = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    paths = [Path(path) for path in left.stdout.split()]
    assert paths
    assert all(path.exists() for path in paths)
    remove_groups(make_groups(300, 64))
    assert not any(path.exists() for path in paths)
