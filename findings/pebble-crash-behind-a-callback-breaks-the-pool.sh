#!/usr/bin/env bash
# pebble 5.2.3, ProcessPool.
#
# Guess:     a task whose worker process ends abnormally raises ProcessExpired, with the exit code; the pool starts
#            another worker, and no other task is affected.
# Behaviour: true only if the pool has read that the worker took the task before it sees the worker end. Both are
#            polled by different threads. If the thread that reads is late (here: a done callback, which it runs, takes
#            a second; elsewhere: a busy interpreter), every unfinished task fails with BrokenProcessPool ("All workers
#            expired"), including one whose worker is well. If another task is known to run at that moment, the task of
#            the ended worker is left until its time limit, and raises TimeoutError instead.
# Seen:      callback of 0 s: waits -> waits, ends -> ProcessExpired 3
#            callback of 1 s: waits -> BrokenProcessPool, ends -> BrokenProcessPool
set -euo pipefail
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
python3 -m venv "$directory/venv"
"$directory/venv/bin/pip" install --quiet --disable-pip-version-check pebble==5.2.3
cat >"$directory/pool.py" <<'PYTHON'
import os
import time
from multiprocessing import get_context

from pebble import ProcessPool


def work(item):
    if item == "waits":
        time.sleep(3)
    if item == "ends":
        time.sleep(0.3)
        os._exit(3)
    return item


def outcomes(callback_seconds):
    with ProcessPool(max_workers=2, context=get_context("forkserver")) as pool:
        pool.schedule(work, args=("warm",)).result()
        pool.schedule(work, args=("warm",)).add_done_callback(lambda _: time.sleep(callback_seconds))
        futures = {item: pool.schedule(work, args=(item,), timeout=10) for item in ("waits", "ends")}
        for item, future in futures.items():
            error = future.exception()
            if error is None:
                yield f"{item} -> {future.result()}"
            else:
                yield " ".join([f"{item} ->", type(error).__name__, str(getattr(error, "exitcode", ""))]).strip()


if __name__ == "__main__":
    for seconds in (0, 1):
        print(f"callback of {seconds} s: {', '.join(outcomes(seconds))}")
PYTHON
"$directory/venv/bin/python" "$directory/pool.py" 2>/dev/null | tee "$directory/seen"
diff "$directory/seen" - <<'EXPECTED'
callback of 0 s: waits -> waits, ends -> ProcessExpired 3
callback of 1 s: waits -> BrokenProcessPool, ends -> BrokenProcessPool
EXPECTED
