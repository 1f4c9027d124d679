"""Programs one after the other, from the supervisor's messages to the verdicts it is sent."""

# ruff: noqa: PTH112

import contextlib
import functools
import json
import os
import signal
import time

from judge import answer  # pyright: ignore[reportMissingImports]
from kernel import (  # pyright: ignore[reportMissingImports]
    PR_SET_CHILD_SUBREAPER,
    RLIMIT_AS,
    RLIMIT_CORE,
    RLIMIT_CPU,
    RLIMIT_FSIZE,
    RLIMIT_NOFILE,
    RLIMIT_NPROC,
    fork,
    limits_to_set,
    prctl,
    wait_for,
    wait_for_any,
)
from processes import Place, address_space, anonymous_kb, kill_descendants  # pyright: ignore[reportMissingImports]
from program import attend, become_program, execute, main_module  # pyright: ignore[reportMissingImports]
from source import compiled_ahead, remember  # pyright: ignore[reportMissingImports]
from watch import Watch  # pyright: ignore[reportMissingImports]

MEBI = 1 << 20
COMPILER_BYTES = 64 * MEBI
MOST_WAITING = 1 << 15
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

    def compiled(self, job):
        """Return a program's code, or None where its own process is to compile it."""
        return None if job["apart"] else compiled_ahead(job["source"], *self.compiling)

    def run(self, job, code):
        """Run one program; return what was seen of it."""
        source = job["source"]
        remember(source)
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
            os.kill(pid, signal.SIGKILL)  # waited for below, so it is there still
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
            trial = {**job, "source": source, "stdin": ""}
            seen = self.run(trial, self.compiled(trial))
            if seen["end"] != "proved":
                raise RuntimeError("cannot see where a process waits (/proc/<pid>/syscall)")
            places.add(seen["place"])
        self.ends = frozenset(places)

    def reap(self):
        """Kill and collect everything the program has left, until the kernel says there is nothing."""
        while (collected := wait_for_any(os.WNOHANG)) >= 0:
            if collected:
                continue
            if not self.first:
                kill_descendants()
            else:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(-1, signal.SIGKILL)
            wait_for_any(0)

    def wipe(self):
        """Empty the places where a program can write; return how many were not empty."""
        return sum([place.wipe() for place in self.writable])


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
    """Yield the supervisor's messages, a line of JSON each, as lists of those that are there, until it goes away."""
    buffer = bytearray()
    while piece := os.read(descriptor, 1 << 20):
        searched = len(buffer)  # a message can be of a hundred megabytes: no byte is looked at twice
        buffer += piece
        end = buffer.rfind(b"\n", searched)
        if end >= 0:
            lines = bytes(buffer[:end])
            del buffer[: end + 1]
            yield [json.loads(line) for line in lines.split(b"\n")]


class Answers:
    """What the supervisor is told: several verdicts at once, if they come fast."""

    def __init__(self, descriptor):
        self.descriptor = descriptor
        self.waiting = []
        self.length = 0

    def add(self, job, seen):
        """Take what was seen of a program. The supervisor looks at once whether the kernel was out of memory."""
        self.waiting.append((job, seen))
        self.length += len(seen["stdout"]) + len(seen["stderr"])
        killed = seen["end"] == "gone" and seen["signal"] == signal.SIGKILL
        if killed or self.length > MOST_WAITING:
            self.send()

    def send(self):
        """Send the verdicts of what waits."""
        if self.waiting:
            self.say([answer(job, seen) for job, seen in self.waiting])
            self.waiting = []
            self.length = 0

    def say(self, what):
        """Send messages."""
        write_all(self.descriptor, b"".join([json.dumps(message).encode() + b"\n" for message in what]))


def write_all(descriptor, data):
    """Write all of `data`."""
    written = os.write(descriptor, data)
    while written < len(data):
        written += os.write(descriptor, memoryview(data)[written:])


def serve(incoming, outgoing, writable, greeting):
    """Run the programs of the supervisor's messages until it goes away.

    Args:
        incoming: descriptor to read messages from; `outgoing`: one to write verdicts to.
        writable: the directories where programs can write.
        greeting: the first message to the supervisor, sent when all is ready.
    """
    answers = Answers(outgoing)
    slot = Slot([Place(place) for place in writable if os.path.isdir(place)], incoming, answers.send)
    slot.calibrate(TRIAL)
    answers.say([greeting])
    for jobs in messages(incoming):
        # In three rounds: what is touched again before the next fork is not copied again.
        codes = [slot.compiled(job) for job in jobs]
        for job, code in zip(jobs, codes, strict=True):
            answers.add(job, slot.run(job, code))
        answers.send()
    kill_descendants()
