import signal
import subprocess
import sys

import pytest

from selfalign.core.errors import SelfalignError
from selfalign.core.lock import hold_lock

HOLDER = "import sys, time; from selfalign.core.lock import hold_lock; hold_lock(sys.argv[1]); print('held', flush=True); time.sleep(60)"


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
