#!/usr/bin/env bash
# filelock 4.2.11: its lock for several readers is another kind of file than its lock for one owner.
#
# Guess: ReadWriteLock is the same operating system lock as FileLock, in shared mode (flock with LOCK_SH), so that a file
# locked by one excludes the other and either goes away with its process.
# Seen: ReadWriteLock opens the path as an SQLite database. A FileLock on the same path is not excluded by a reader, and a
# path that already holds something else cannot be used for a ReadWriteLock at all.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'filelock==4.2.11'
cd "$work"
cat > look.py <<'PY'
import filelock
from importlib.metadata import version
from pathlib import Path

print("filelock", version("filelock"))
lock = filelock.ReadWriteLock("lease")
with lock.read_lock():
    head = Path("lease").read_bytes()[:15]
    print("the file begins with", head or "nothing", "; beside it:", sorted(p.name for p in Path(".").glob("lease*")))
    exclusive = filelock.FileLock("lease")
    try:
        exclusive.acquire(timeout=0.2)
        print("FileLock on the same path while it is read: acquired")
        acquired = True
        exclusive.release()
    except filelock.Timeout:
        print("FileLock on the same path while it is read: excluded")
        acquired = False
Path("other").write_text("a note about who holds this lock\n" * 10)
try:
    with filelock.ReadWriteLock("other").read_lock():
        error = None
except Exception as caught:
    error = f"{type(caught).__module__}.{type(caught).__name__}: {caught}"
print("ReadWriteLock on a file with text:", error)
assert acquired
assert error is not None and "sqlite3" in error
print("still so")
PY
"$work/venv/bin/python" look.py
