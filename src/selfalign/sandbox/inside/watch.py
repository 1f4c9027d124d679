"""The parent's side of the fork: follows one program until it is known how it ended."""

import math
import os
import select
import time

from kernel import place_in  # pyright: ignore[reportMissingImports]
from processes import cpu_seconds, proportional_kb, resident_kb, shield_from  # pyright: ignore[reportMissingImports]
from turn import CONTROL, PATIENCE_MS, STREAMS  # pyright: ignore[reportMissingImports]

# Most programs have ended before their memory is looked at for the first time.
FIRST_LOOK_S = PATIENCE_MS / 1000
LOOK_S = 0.05
SOONEST_S = 0.002
ANNOUNCED_LOOK_S = 0.002
ANNOUNCEMENT = b"{}\n"  # see `execute` of program.py
# From the announcement of its end to the place where it waits, a process takes some tens of microseconds.
BRIEFLY, BRIEF_S = 20, 0.00003
# pause and ppoll on x86-64, ppoll on aarch64 (what glibc makes of pause there)
PAUSES = (b"34", b"271", b"73")


def most_cpu_s(limits):
    """Return the CPU time that a program's process may use: whole seconds, as the kernel's own limit has them."""
    return max(1, math.ceil(limits["cpu_s"]))


class Watch:
    """Follows one program until its end is proved, it is gone, or a limit is passed.

    All that most programs need is one message on `control` and a look at where the process is.
    """

    def __init__(self, turn, limits, *, ends, inherited, supervisor, when_slow):
        self.pid = turn.pid
        self.limits = limits
        self.ends = ends  # None: wherever it announces itself
        self.deadline = turn.started + limits["wall_s"]
        self.look = turn.started + FIRST_LOOK_S
        self.when_slow = when_slow  # called once the program has taken longer than most
        self.most_cpu_s = most_cpu_s(limits)
        self.peak_kb = 0
        self.inherited = inherited  # KiB a process has from the zygote
        self.place = b""
        self.handle = turn.handle
        self.control = turn.stream[CONTROL]
        self.streams = turn.stream[:]
        self.read = {turn.stream[which]: bytearray(turn.text(which)) for which in STREAMS}
        self.most = limits["output_kb"] * 1024
        self.poll = select.poll()
        for descriptor in self.read:
            self.poll.register(descriptor, select.POLLIN)
        self.poll.register(self.handle, select.POLLIN)
        self.supervisor = supervisor
        self.poll.register(supervisor, 0)  # only that it hangs up

    def follow(self):
        """Return how the program ended."""
        end = None
        while end is None:
            now = time.monotonic()
            if now >= self.deadline:
                return "wall"
            if now >= self.look:
                end = self.check()
                continue
            for descriptor, event in self.poll.poll((min(self.deadline, self.look) - now) * 1000):
                end = self.attend_to(descriptor, event) or end
        return end

    def attend_to(self, descriptor, event):
        """Deal with what happened on a descriptor; return how the program ended if it did."""
        if descriptor == self.handle:
            return "gone"
        if descriptor == self.supervisor:
            return "abandoned"
        if not (event & select.POLLIN and self.take(descriptor)):
            self.poll.unregister(descriptor)
        # A program that fails says how instead, and goes.
        if descriptor == self.control and self.read[descriptor].endswith(ANNOUNCEMENT):
            self.look = 0.0
            return self.ended(BRIEFLY)
        return "output" if len(self.read[descriptor]) > self.most else None

    def ended(self, looks=1):
        """Return "proved" if the program waits, or comes to wait, where only an ended one does."""
        try:
            place = os.open(f"/proc/{self.pid}/syscall", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            for _ in range(looks):
                time.sleep(BRIEF_S)
                self.place = place_in(place)
                if self.place.partition(b" ")[0] in PAUSES and self.is_end(self.place):
                    return "proved"
        finally:
            os.close(place)
        return None

    def is_end(self, place):
        """Tell whether it is where an ended program waits."""
        return bool(self.read[self.control]) if self.ends is None else place in self.ends

    def check(self):
        """Look at the memory and time of all processes, and whether the end went unannounced."""
        if self.when_slow is not None:
            self.when_slow()
            self.when_slow = None
            shield_from(self.pid)
        left = self.most_cpu_s - cpu_seconds(self.pid)
        if left <= 0:
            return "cpu"
        soon = ANNOUNCED_LOOK_S if self.read[self.control] else max(min(LOOK_S, left), SOONEST_S)
        self.look = time.monotonic() + soon
        most = self.limits["memory_mb"] * 1024
        total = resident_kb(self.pid, self.inherited)
        if total > most:
            total = proportional_kb(self.pid)
        self.peak_kb = max(self.peak_kb, total)
        if total > most:
            return "memory"
        return self.ended()

    def take(self, descriptor):
        """Read what there is; return whether the other end is still open."""
        try:
            piece = os.read(descriptor, 65536)
        except BlockingIOError:
            return True
        except OSError:
            return False
        read = self.read[descriptor]
        read += piece[: max(0, self.most + 1 - len(read))]
        return bool(piece)

    def drain(self):
        """Read what is still in the pipes, without waiting, up to the limit of output."""
        going_on = True
        while going_on:
            going_on = False
            for descriptor, event in self.poll.poll(0):
                if event & select.POLLIN and descriptor in self.read:
                    before = len(self.read[descriptor])
                    self.take(descriptor)
                    going_on = going_on or len(self.read[descriptor]) > before

    def text(self, which):
        """Return what was read from a stream, up to the limit; what is not UTF-8 as lone surrogates."""
        return self.read[self.streams[which]][: self.most].decode("utf-8", "surrogateescape")

    def close(self):
        """Close the descriptors."""
        os.close(self.handle)
        for descriptor in self.streams:
            os.close(descriptor)
