"""The first process of a slot: a warm interpreter that forks once per program.

It reads jobs from standard input and writes verdicts to standard output, each a line of JSON. It is started
inside the sandbox with this directory as the first entry of the module path, which it then removes. Its one
argument is a JSON object: ``uid`` to become as root, ``filter`` (system calls; hexadecimal), ``writable``
directories, the first of which is the working directory, and ``warm``: pieces of Python to run beforehand.
"""

# ruff: noqa: PTH100, PTH112, PTH120, PTH123, PTH208

import contextlib
import functools
import gc
import hashlib
import json
import os
import signal
import sys
import time

from judge import answer  # pyright: ignore[reportMissingImports]
from kernel import (  # pyright: ignore[reportMissingImports]
    PR_SET_CHILD_SUBREAPER,
    PR_SET_DUMPABLE,
    PR_SET_NO_NEW_PRIVS,
    become_user,
    install_filter,
    prctl,
)
from processes import anonymous_kb, kill_descendants, wipe  # pyright: ignore[reportMissingImports]
from program import FILE, attend, become_program, compiled, execute  # pyright: ignore[reportMissingImports]
from watch import Watch  # pyright: ignore[reportMissingImports]

OURS = ("judge", "kernel", "processes", "program", "watch")


class Slot:
    """Runs one program after the other."""

    def __init__(self, writable, incoming):
        self.incoming = incoming
        self.ends = None
        self.inherited = anonymous_kb(os.getpid())
        self.writable = writable
        self.first = os.getpid() == 1
        if not self.first:
            prctl(PR_SET_CHILD_SUBREAPER, 1)

    def run(self, job):
        """Run one program; return what was seen of it."""
        stdin = os.memfd_create("stdin")
        write_all(stdin, job["stdin"].encode("utf-8", "surrogatepass"))
        os.lseek(stdin, 0, os.SEEK_SET)
        pipes = [os.pipe() for _ in range(3)]
        (out, out_w), (err, err_w), (control, control_w) = pipes
        highest = max(stdin, *(end for pipe in pipes for end in pipe))
        started = time.monotonic()
        pid = os.fork()
        if pid == 0:
            become_program(job, (stdin, out_w, err_w, control_w), highest + 1)
            attend(functools.partial(execute, job, compiled, 3))
        for descriptor in (stdin, out_w, err_w, control_w):
            os.close(descriptor)
        watch = Watch(
            pid,
            job["limits"],
            started,
            ends=self.ends,
            inherited=self.inherited,
            descriptors=(out, err, control),
            supervisor=self.incoming,
        )
        try:
            seen = watch.follow()
        finally:
            watch.close()
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            _, status, usage = os.wait4(pid, 0)
            self.reap()
        if seen["end"] == "abandoned":
            os._exit(0)
        seen["place"] = watch.place
        seen["signal"] = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
        seen["status"] = os.WEXITSTATUS(status) if os.WIFEXITED(status) else None
        seen["wall_s"] = time.monotonic() - started
        seen["cpu_s"] = usage.ru_utime + usage.ru_stime
        seen["peak_kb"] = max(usage.ru_maxrss, watch.peak_kb)
        seen["left_behind"] = self.wipe()
        return seen

    def calibrate(self, job):
        """Learn, from harmless programs, where a program that has ended waits.

        The C library's ``pause`` makes the call from another place once a process has had threads.
        """
        places = set()
        for source in TRIALS:
            self.ends = None
            seen = self.run({**job, "source": source, "stdin": ""})
            if seen["end"] != "proved":
                raise RuntimeError("cannot see where a process waits (/proc/<pid>/syscall)")
            places.add(seen["place"])
        self.ends = frozenset(places)

    def reap(self):
        """Kill and collect everything the program has left, until the kernel says there is nothing."""
        while True:
            try:
                if os.waitpid(-1, os.WNOHANG)[0]:
                    continue
            except ChildProcessError:
                return
            if self.first:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(-1, signal.SIGKILL)
            else:
                kill_descendants()
            with contextlib.suppress(ChildProcessError):
                os.waitpid(-1, 0)

    def wipe(self):
        """Empty the places where a program can write; return how many were not empty."""
        return sum([wipe(place) for place in self.writable])


def messages(descriptor):
    """Yield the supervisor's messages, a line of JSON each, until it goes away."""
    buffer = bytearray()
    while piece := os.read(descriptor, 1 << 20):
        searched = len(buffer)  # a message can be of a hundred megabytes: no byte is looked at twice
        buffer += piece
        while (end := buffer.find(b"\n", searched)) >= 0:
            line = bytes(buffer[:end])
            del buffer[: end + 1]
            searched = 0
            yield json.loads(line)


def write_all(descriptor, data):
    """Write all of `data`."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def send(descriptor, message):
    """Send a message."""
    write_all(descriptor, json.dumps(message).encode() + b"\n")


def warm(pieces):
    """Run what programs commonly need, such as imports, and exercise the compiler."""
    for piece in pieces:
        with contextlib.suppress(Exception):
            exec(piece, {"__name__": "warm"})
    compile(
        "class A:\n  def f(self, *a, **k):\n    return [x for x in a if x]\nassert A().f(1)", FILE, "exec"
    )


def inside_digest():
    """Return a digest of the files of this directory: the supervisor's are to be the same."""
    digest = hashlib.sha256()
    home = os.path.dirname(os.path.abspath(__file__))
    for name in sorted(os.listdir(home)):
        if name.endswith(".py"):
            with open(f"{home}/{name}", "rb") as handle:
                digest.update(handle.read())
    return digest.hexdigest()


def facts():
    """Return what the supervisor may want to check about the slot."""
    status = {}
    with open("/proc/self/status") as handle:
        for line in handle:
            name, _, value = line.partition(":")
            status[name] = value.strip()
    return {
        "python": sys.version.split()[0],
        "pid": os.getpid(),
        "uid": os.getuid(),
        "capabilities": status["CapEff"],
        "no_new_privileges": status["NoNewPrivs"],
        "seccomp": status["Seccomp"],
    }


TRIALS = (
    "",
    "import _thread, time\n_thread.start_new_thread(time.sleep, (30,))\n",
    "import threading\nt = threading.Thread(target=int)\nt.start()\nt.join()\n",
)
TRIAL = {
    "limits": {
        "wall_s": 20.0,
        "cpu_s": 10.0,
        "memory_mb": 1024,
        "processes": 32,
        "open_files": 64,
        "file_mb": 1,
        "output_kb": 64,
    }
}


def main():
    """Serve jobs until the supervisor goes away."""
    settings = json.loads(sys.argv[1])
    incoming, outgoing = (os.dup(0), os.dup(1))
    null = os.open("/dev/null", os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.umask(0o022)
    inside = inside_digest()
    sys.path.pop(0)
    for name in OURS:
        sys.modules.pop(name)
    if settings["uid"] is not None and os.getuid() == 0:
        become_user(settings["uid"])
    os.chdir(settings["writable"][0])
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    prctl(PR_SET_DUMPABLE, 0)
    warm(settings["warm"])
    if settings["filter"]:
        install_filter(bytes.fromhex(settings["filter"]))
    slot = Slot([place for place in settings["writable"] if os.path.isdir(place)], incoming)
    slot.wipe()
    gc.collect()
    gc.freeze()
    slot.calibrate(TRIAL)
    send(outgoing, {"ready": True, "inside": inside, **facts()})
    for job in messages(incoming):
        send(outgoing, answer(job, slot.run(job)))
    kill_descendants()


if __name__ == "__main__":
    main()
