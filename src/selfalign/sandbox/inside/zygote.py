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
import json
import os
import random
import signal
import site
import sys
import time

from judge import answer  # pyright: ignore[reportMissingImports]
from kernel import (  # pyright: ignore[reportMissingImports]
    PR_SET_CHILD_SUBREAPER,
    PR_SET_DUMPABLE,
    PR_SET_NO_NEW_PRIVS,
    RLIMIT_AS,
    RLIMIT_CORE,
    RLIMIT_CPU,
    RLIMIT_FSIZE,
    RLIMIT_NOFILE,
    RLIMIT_NPROC,
    become_user,
    fork,
    install_filter,
    limits_to_set,
    prctl,
    wait_for,
)
from processes import address_space, anonymous_kb, kill_descendants, wipe  # pyright: ignore[reportMissingImports]
from program import attend, become_program, execute, main_module  # pyright: ignore[reportMissingImports]
from source import compiled_ahead, remember  # pyright: ignore[reportMissingImports]
from watch import Watch  # pyright: ignore[reportMissingImports]

OURS = ("judge", "kernel", "processes", "program", "source", "watch")
MEBI = 1 << 20
COMPILER_BYTES = 64 * MEBI
MOST_WAITING = 1 << 15


class Slot:
    """Runs one program after the other."""

    def __init__(self, writable, incoming, when_slow):
        self.incoming = incoming
        self.when_slow = when_slow
        self.ends = None
        self.limits = None
        self.kernel_limits = ()
        self.inherited = anonymous_kb(os.getpid())
        room = address_space(os.getpid()) + COMPILER_BYTES
        self.compiling = (limits_to_set([(RLIMIT_AS, room, None)]), limits_to_set([(RLIMIT_AS, None, None)]))
        self.writable = writable
        self.first = os.getpid() == 1
        if not self.first:
            prctl(PR_SET_CHILD_SUBREAPER, 1)

    def run(self, job):
        """Run one program; return what was seen of it."""
        source = job["source"]
        remember(source)
        code = None if job["apart"] else compiled_ahead(source, *self.compiling)
        run = functools.partial(execute, code, source, main_module(), 3)
        if job["limits"] != self.limits:
            self.limits = job["limits"]
            self.kernel_limits = kernel_limits(self.limits)
        stdin = given(job["stdin"])
        (out, out_w), (err, err_w), (control, control_w) = os.pipe(), os.pipe(), os.pipe()
        highest = max(stdin, out, out_w, err, err_w, control, control_w)
        started = time.monotonic()
        pid = fork()
        if pid == 0:
            become_program((stdin, out_w, err_w, control_w), highest + 1, self.kernel_limits)
            attend(run)
        if pid < 0:
            raise OSError("fork failed")
        for descriptor in (stdin, out_w, err_w, control_w):
            os.close(descriptor)
        watch = Watch(
            pid,
            self.limits,
            started,
            ends=self.ends,
            inherited=self.inherited,
            descriptors=(out, err, control),
            supervisor=self.incoming,
            when_slow=self.when_slow,
        )
        try:
            end = watch.follow()
            watch.drain()
        finally:
            watch.close()
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            status, cpu_s, peak_kb = wait_for(pid)
            self.reap()
        if end == "abandoned":
            os._exit(0)
        return {
            "end": end,
            "stdout": watch.text(out),
            "stderr": watch.text(err),
            "report": watch.text(control),
            "place": watch.place,
            "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else None,
            "status": os.WEXITSTATUS(status) if os.WIFEXITED(status) else None,
            "wall_s": time.monotonic() - started,
            "cpu_s": cpu_s,
            "peak_kb": max(peak_kb, watch.peak_kb),
            "left_behind": self.wipe(),
        }

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


def kernel_limits(limits):
    """Return the limits that the kernel keeps for a program's processes, each by itself."""
    cpu_s = max(1, int(-(-limits["cpu_s"] // 1)))
    wanted = [
        (RLIMIT_AS, limits["memory_mb"] * MEBI),
        (RLIMIT_NPROC, limits["processes"] + 1),  # the zygote counts
        (RLIMIT_FSIZE, limits["file_mb"] * MEBI),
        (RLIMIT_NOFILE, limits["open_files"]),
        (RLIMIT_CORE, 0),
    ]
    return limits_to_set([(RLIMIT_CPU, cpu_s, cpu_s + 1), *((which, most, most) for which, most in wanted)])


def given(text):
    """Return a descriptor that reads `text`."""
    if not text:
        return os.open("/dev/null", os.O_RDONLY)
    stdin = os.memfd_create("stdin")
    write_all(stdin, text.encode("utf-8", "surrogatepass"))
    os.lseek(stdin, 0, os.SEEK_SET)
    return stdin


def messages(descriptor):
    """Yield the supervisor's messages, a line of JSON each, until it goes away; with each, whether another is there."""
    buffer = bytearray()
    end = -1
    while piece := os.read(descriptor, 1 << 20):
        searched = len(buffer)  # a message can be of a hundred megabytes: no byte is looked at twice
        buffer += piece
        end = buffer.find(b"\n", searched)
        while end >= 0:
            line = bytes(buffer[:end])
            del buffer[: end + 1]
            end = buffer.find(b"\n")
            yield json.loads(line), end >= 0


class Answers:
    """What the supervisor is told: several verdicts at once if they come fast, so that it is woken less often."""

    def __init__(self, descriptor):
        self.descriptor = descriptor
        self.waiting = bytearray()

    def add(self, message, more):
        """Send a message, or keep it while `more` are to come soon."""
        self.waiting += json.dumps(message).encode() + b"\n"
        if not more or len(self.waiting) > MOST_WAITING:
            self.send()

    def send(self):
        """Send what waits."""
        if self.waiting:
            write_all(self.descriptor, self.waiting)
            self.waiting = bytearray()


def write_all(descriptor, data):
    """Write all of `data`."""
    written = os.write(descriptor, data)
    while written < len(data):
        written += os.write(descriptor, memoryview(data)[written:])


def as_if_with_site():
    """Add what a start with `site` would have added: built-in functions, and the packages where none are named.

    It would also have run what packages ask for at every start: libraries and memory that every fork would copy.
    """
    if "PYTHONPATH" not in os.environ:
        sys.path += site.getsitepackages()
    site.setquit()
    site.setcopyright()
    site.sethelper()


def warm(pieces):
    """Run what programs commonly need, such as imports, and exercise the compiler."""
    for piece in pieces:
        with contextlib.suppress(Exception):
            exec(piece, {"__name__": "warm"})
    compile(
        "class A:\n  def f(self, *a, **k):\n    return [x for x in a if x]\nassert A().f(1)", "warm", "exec"
    )


def inside():
    """Return the texts of this directory by name: the supervisor's are to be the same."""
    home = os.path.dirname(os.path.abspath(__file__))
    texts = {}
    for name in sorted(os.listdir(home)):
        if name.endswith(".py"):
            with open(f"{home}/{name}", encoding="utf-8") as handle:
                texts[name] = handle.read()
    return texts


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
    "apart": False,
    "limits": {
        "wall_s": 20.0,
        "cpu_s": 10.0,
        "memory_mb": 1024,
        "processes": 32,
        "open_files": 64,
        "file_mb": 1,
        "output_kb": 64,
    },
}


def main():
    """Serve jobs until the supervisor goes away."""
    settings = json.loads(sys.argv[1])
    incoming, outgoing = (os.dup(0), os.dup(1))
    null = os.open("/dev/null", os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.umask(0o022)
    texts = inside()
    sys.path.pop(0)
    for name in OURS:
        sys.modules.pop(name)
    if settings["uid"] is not None and os.getuid() == 0:
        become_user(settings["uid"])
    os.chdir(settings["writable"][0])
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    prctl(PR_SET_DUMPABLE, 0)
    as_if_with_site()
    warm(settings["warm"])
    if settings["filter"]:
        install_filter(bytes.fromhex(settings["filter"]))
    answers = Answers(outgoing)
    slot = Slot([place for place in settings["writable"] if os.path.isdir(place)], incoming, answers.send)
    slot.wipe()
    # The forked processes have all of this.
    random.seed(0)
    sys.argv = ["program.py"]
    gc.collect()
    gc.freeze()
    slot.calibrate(TRIAL)
    answers.add({"ready": True, "inside": texts, **facts()}, more=False)
    for job, more in messages(incoming):
        verdict = answer(job, slot.run(job))
        # The supervisor looks at once whether the kernel was out of memory.
        answers.add(verdict, more and verdict["error"] != "SIGKILL")
    kill_descendants()


if __name__ == "__main__":
    main()
