"""One program's run: its limits, its pipes, and what was observed of it."""

import functools
import math
import os
import select
from os import read

from kernel import RLIMIT_AS, RLIMIT_CPU, RLIMIT_FSIZE, RLIMIT_NOFILE, RLIMIT_NPROC, limits_to_set

MEBI = 1 << 20
# Pipes of a program: standard output, standard error, control messages.
OUT, ERR, CONTROL = range(3)
READ_BYTES = 1 << 16


class Bounds:
    """A program's limits in the units that the fork loop measures.

    Args:
        limits: the fields of ``selfalign.sandbox.types.Limits``.

    Attributes:
        wall_s: seconds from start to end.
        cpu_s: seconds of CPU time of one process; whole seconds, as in the kernel's own limit.
        memory_kb: KiB of resident memory of all processes together.
        output: bytes of each stream.
        rlimits: what `kernel.set_limits` is to set in the program's process.
    """

    def __init__(self, limits):
        self.wall_s = limits["wall_s"]
        self.cpu_s = max(1, math.ceil(limits["cpu_s"]))
        self.memory_kb = limits["memory_mb"] * 1024
        self.output = limits["output_kb"] * 1024
        # The loop measures CPU time more exactly (see `processes.cpu_seconds`); the kernel's limit is a safety net.
        cpu_s = 1 + int(max(4 * self.cpu_s, self.wall_s))
        wanted = [
            (RLIMIT_AS, limits["memory_mb"] * MEBI),
            (RLIMIT_NPROC, limits["processes"] + 1),  # the zygote counts
            (RLIMIT_FSIZE, limits["file_mb"] * MEBI),
            (RLIMIT_NOFILE, limits["open_files"]),
        ]
        self.rlimits = limits_to_set(
            [(RLIMIT_CPU, cpu_s, cpu_s + 1), *((which, most, most) for which, most in wanted)]
        )


@functools.lru_cache(maxsize=64)
def bounds_of(items):
    """Return the Bounds for the items of a dictionary of limits; programs of one job share them."""
    return Bounds(dict(items))


class Run:
    """One program and what was observed of it.

    Args:
        job: the supervisor's message about it.
        stdin: file descriptor of its standard input.

    Attributes:
        bounds: its limits.
        pid: its process.
        handle: a pidfd of the process.
        pipes: file descriptors to read its standard output, standard error and control messages from.
        data: what was read from each of them.
        started: time of the fork (monotonic clock).
        end: ``proved`` (it waits where only a finished program waits), ``gone`` (the process ended), the limit that it
            passed (``wall``, ``cpu``, ``memory``, ``files``, ``output``), or ``abandoned`` (the supervisor went away).
        status: of the process, as waitpid(2) has it.
        wall_s: seconds from the fork to the end of the process.
        cpu_s: seconds of CPU time, of the process and the children it waited for.
        peak_kb: KiB of the largest resident set seen.
        slow: whether it lived long enough to be checked.
        leaves_traces: whether it left something that a later program could see, so that the sandbox ends after it.
    """

    # fmt: off
    __slots__ = (
        "bounds", "cpu_s", "data", "end", "handle", "job", "leaves_traces", "peak_kb", "pid", "pipes", "slow", "started",
        "status", "stdin", "wall_s",
    )
    # fmt: on

    def __init__(self, job, stdin):
        self.job = job
        self.stdin = stdin
        self.bounds = bounds_of(tuple(job["limits"].items()))
        self.data = bytearray(), bytearray(), bytearray()
        self.end = None
        self.peak_kb = 0
        self.slow = False
        self.leaves_traces = False


def take(run, stream):
    """Read what is in a pipe, keeping one byte more than the limit; return whether its other end may still be open.

    Args:
        run: the program.
        stream: OUT, ERR or CONTROL.
    """
    try:
        piece = read(run.pipes[stream], READ_BYTES)
    except BlockingIOError:
        return True
    except OSError:
        return False
    data = run.data[stream]
    data += piece[: max(0, run.bounds.output + 1 - len(data))]
    return bool(piece)


def watch_again(descriptors, poll):
    """Watch pipes for data again.

    Args:
        descriptors: list of the pipes that are not watched, which is emptied.
        poll: that they were registered with.
    """
    while descriptors:
        poll.register(descriptors.pop(), select.POLLIN)


def drain(run, poll):
    """Read what is still in the pipes, without waiting, up to the limit of output.

    Args:
        run: the program.
        poll: that the pipes are registered with.
    """
    more = True
    while more:
        more = False
        for descriptor, event in poll.poll(0):
            if event & select.POLLIN and descriptor in run.pipes:
                stream = run.pipes.index(descriptor)
                length = len(run.data[stream])
                take(run, stream)
                more = more or len(run.data[stream]) > length


def input_file(text):
    """Return a file descriptor that reads `text`.

    Flags, locks and owners belong to an open file, so each program has one of its own.
    """
    if not text:
        return os.open("/dev/null", os.O_RDONLY)
    descriptor = os.memfd_create("stdin")
    with open(descriptor, "wb", closefd=False) as handle:
        handle.write(text.encode("utf-8", "surrogatepass"))
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
