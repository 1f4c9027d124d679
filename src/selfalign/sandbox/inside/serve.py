"""Programs one after the other, from the supervisor's messages to the verdicts it is sent."""

# ruff: noqa: PTH112

import contextlib
import ctypes
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
    limits_to_set,
    prctl,
    wait_for,
    wait_for_any,
)
from processes import Place, address_space, anonymous_kb, kill_descendants  # pyright: ignore[reportMissingImports]
from program import attend, execute, found_by, main_module  # pyright: ignore[reportMissingImports]
from source import compiled_ahead, lines_of  # pyright: ignore[reportMissingImports]
from turn import (  # pyright: ignore[reportMissingImports]
    CONTROL,
    ERR,
    GONE,
    MOST,
    OPEN,
    OUT,
    PATIENCE_MS,
    PROVED,
    Native,
    Surroundings,
    Turn,
)
from turn import Limits as KernelLimits  # pyright: ignore[reportMissingImports]
from watch import Watch, most_cpu_s  # pyright: ignore[reportMissingImports]

MEBI = 1 << 20
COMPILER_BYTES = 64 * MEBI
MOST_WAITING = 1 << 15
ENDS = {PROVED: "proved", GONE: "gone"}
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
    """Runs one program after the other.

    Args:
        writable: places where a program can write.
        incoming: the descriptor of the supervisor's messages.
        when_slow: called when a program takes longer than most.
    """

    def __init__(self, writable, incoming, when_slow):
        self.native = Native()
        self.incoming = incoming
        self.when_slow = when_slow
        self.ends = None
        self.nothing = os.open("/dev/null", os.O_RDONLY)
        self.split = False  # whether the zygote wrote to huge pages while a program lived, and so lost them
        self.inherited = 0
        room = address_space(os.getpid()) + COMPILER_BYTES
        self.compiling = (limits_to_set([(RLIMIT_AS, room, None)]), limits_to_set([(RLIMIT_AS, None, None)]))
        self.writable = writable
        self.surroundings = surroundings(incoming, writable)
        self.first = os.getpid() == 1
        if not self.first:
            prctl(PR_SET_CHILD_SUBREAPER, 1)

    def run(self, jobs, take):
        """Run programs, at most MOST; call `take` with each one's job and what was seen of it.

        All are compiled before the first fork: what is touched after a fork and before the next is copied.
        """
        codes = compiled_ahead([None if job["apart"] else job["source"] for job in jobs], *self.compiling)
        space = main_module()  # one for all: each process has its own copy
        runs = [
            functools.partial(execute, code, job["source"], space, 3)
            for code, job in zip(codes, jobs, strict=True)
        ]
        lines = [lines_of(job["source"]) for job in jobs]
        room = self.native.room
        ctypes.memset(room, 0, ctypes.sizeof(Turn) * len(jobs))
        batch = room[: len(jobs)]
        for turn, job in zip(batch, jobs, strict=True):
            turn.limits = ctypes.pointer(kernel_limits(tuple(job["limits"].items())))
            turn.given = given(job["stdin"]) if job["stdin"] else self.nothing
        begun = 0
        while begun < len(jobs):
            reached = self.native.turns(ctypes.byref(self.surroundings), room, begun, len(jobs))
            if reached >= 0:
                found_by(lines[reached])
                attend(runs[reached])
            reached = -1 - reached
            for number in range(begun, reached):
                take(jobs[number], self.seen(jobs[number], batch[number]))
            begun = reached
        for turn in batch:
            if turn.given != self.nothing:
                os.close(turn.given)
        if self.split:
            self.native.gather()
            self.split = False

    def seen(self, job, turn):
        """Return what was seen of a program, which is followed to its end if it is open still."""
        if turn.end == OPEN:
            return self.followed(job["limits"], turn)
        if turn.end not in ENDS:
            raise OSError("cannot fork, or lost a process")
        if turn.left:
            self.reap()
        return {
            "end": ENDS[turn.end],
            "stdout": text(turn.text(OUT)),
            "stderr": text(turn.text(ERR)),
            "report": text(turn.text(CONTROL)),
            **ending(turn.status),
            "place": turn.place,
            "wall_s": turn.wall_s,
            "cpu_s": turn.cpu_s,
            "peak_kb": turn.peak_kb,
            "left_behind": self.wipe() if turn.left else 0,
        }

    def followed(self, limits, turn):
        """Follow a program to its end; return what was seen of it."""
        self.split = True
        watch = Watch(
            turn,
            limits,
            ends=self.ends,
            inherited=self.inherited,
            supervisor=self.incoming,
            when_slow=self.when_slow,
        )
        try:
            end = watch.follow()
            watch.drain()
        finally:
            watch.close()
            os.kill(turn.pid, signal.SIGKILL)  # waited for below, so it is there still
            status, cpu_s, peak_kb = wait_for(turn.pid)
            self.reap()
        if end == "abandoned":
            os._exit(0)
        return {
            "end": end,
            "stdout": watch.text(OUT),
            "stderr": watch.text(ERR),
            "report": watch.text(CONTROL),
            **ending(status),
            "place": watch.place,
            "wall_s": time.monotonic() - turn.started,
            "cpu_s": cpu_s,
            "peak_kb": max(peak_kb, watch.peak_kb),
            "left_behind": self.wipe(),
        }

    def calibrate(self, job):
        """Learn, from harmless programs, where a program that has ended waits.

        The C library's ``pause`` makes the call from another place once a process has had threads.
        """
        found = []
        self.surroundings.patience_ms = 0
        for source in TRIALS:
            self.run([{**job, "source": source, "stdin": ""}], lambda _, seen: found.append(seen))
        if any(seen["end"] != "proved" for seen in found):
            raise RuntimeError("cannot see where a process waits (/proc/<pid>/syscall)")
        self.ends = frozenset(seen["place"] for seen in found)
        self.surroundings.places = len(self.ends)
        for number, place in enumerate(sorted(self.ends)):
            self.surroundings.place[number].value = place
        self.surroundings.patience_ms = PATIENCE_MS
        self.inherited = anonymous_kb(os.getpid())

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


def surroundings(supervisor, writable):
    """Return what holds for all programs of a slot, but for where they end, which is learned later."""
    found = Surroundings(supervisor=supervisor, directories=len(writable))
    for number, place in enumerate(writable):
        found.directory[number].value = place.path.encode()
        # A size that no directory has: it is to be looked at each time.
        found.size[number], found.mode[number] = place.empty or (-1, -1)
    return found


def ending(status):
    """Return how a process ended, by signal or by itself."""
    return {
        "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else None,
        "status": os.WEXITSTATUS(status) if os.WIFEXITED(status) else None,
    }


def text(data):
    """Return bytes of a program; what is not UTF-8 as lone surrogates."""
    return data.decode("utf-8", "surrogateescape")


@functools.lru_cache(maxsize=64)
def kernel_limits(items):
    """Return the limits that the kernel keeps for a program's processes, each by itself."""
    limits = dict(items)
    # `Watch` measures CPU time better than the kernel's limit does (see `cpu_seconds`), which is for the case that it fails.
    cpu_s = 1 + int(max(4 * most_cpu_s(limits), limits["wall_s"]))
    wanted = [
        (RLIMIT_AS, limits["memory_mb"] * MEBI),
        (RLIMIT_NPROC, limits["processes"] + 1),  # the zygote counts
        (RLIMIT_FSIZE, limits["file_mb"] * MEBI),
        (RLIMIT_NOFILE, limits["open_files"]),
        (RLIMIT_CORE, 0),
    ]
    found = limits_to_set([(RLIMIT_CPU, cpu_s, cpu_s + 1), *((which, most, most) for which, most in wanted)])
    kept = KernelLimits(count=len(found))
    for number, (which, pair) in enumerate(found):
        kept.which[number], kept.values[number] = which, pair
    return kept


def given(text):
    """Return a descriptor that reads `text`."""
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
    places = [Place(place) for place in writable if os.path.isdir(place)]
    slot = Slot(places, incoming, answers.send)
    slot.calibrate(TRIAL)
    answers.say([greeting])
    for jobs in messages(incoming):
        for first in range(0, len(jobs), MOST):
            slot.run(jobs[first : first + MOST], answers.add)
            answers.send()
    kill_descendants()
