"""The lock of a build, and outputs that a build planned and did not make."""

import os
import signal
import subprocess
import sys
import time

import pytest

from selfalign.core.build_state import InterruptedOutputs, hold_lock
from selfalign.core.errors import SelfalignError

HOLDER = """
import sys, time
from selfalign.core.build_state import hold_lock

hold_lock(sys.argv[1])
print("held", flush=True)
time.sleep(60)
"""


def test_a_lock_is_held_once_and_ends_with_its_holder(tmp_path):
    lock = tmp_path / "deep/lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(lock)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(SelfalignError, match=f"held by process {holder.pid}: another build is running"):
        hold_lock(lock)
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    hold_lock(lock)


def touch(path, age_s=0.0):
    path.write_text("")
    moment = time.time() - age_s
    os.utime(path, (moment, moment))


def test_old_files_are_overtaken_while_one_is_missing(tmp_path):
    planned = InterruptedOutputs(tmp_path / "deep/planned.json")
    names = [str(tmp_path / name) for name in "abcd"]
    a, b, c, _ = (tmp_path / name for name in "abcd")
    assert planned.outdated() == []
    for path in (a, b, c):
        touch(path, age_s=10)
    planned.plan(names[:3])
    assert planned.outdated() == []  # interrupted before any job: all is as it was
    a.unlink()
    assert planned.outdated() == names[1:3]
    touch(b, age_s=-10)
    assert planned.outdated() == names[2:3]
    planned.plan(names[3:])  # another build, of something else, which is killed too
    touch(c, age_s=5)
    assert planned.outdated() == names[2:3]
    for name in "acd":
        touch(tmp_path / name, age_s=-10)
    assert planned.outdated() == []


def test_what_is_missing_outlives_the_success_of_another_build(tmp_path):
    planned = InterruptedOutputs(tmp_path / "planned.json")
    first, second = tmp_path / "first", tmp_path / "second"
    touch(second, age_s=10)
    planned.plan([str(first), str(second)])
    planned.finish()
    assert planned.outdated() == [str(second)]
    for path in (first, second):
        touch(path, age_s=-10)
    planned.finish()
    assert not (tmp_path / "planned.json").exists()
