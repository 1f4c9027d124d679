"""The parent's side of the fork: follows one program until it is known how it ended."""

import os
import select
import time

from kernel import place_of  # pyright: ignore[reportMissingImports]
from processes import proportional_kb, resident_kb  # pyright: ignore[reportMissingImports]

FIRST_LOOK_S = 0.02  # most programs have ended before their memory is looked at for the first time
LOOK_S = 0.05
ANNOUNCED_LOOK_S = 0.002
BRIEFLY = 20
PAUSES = ("34", "271", "73")  # pause and ppoll on x86-64, ppoll on aarch64 (what glibc makes of pause there)


class Watch:
    """Follows one program until its end is proved, it is gone, or a limit is passed."""

    def __init__(self, pid, limits, started, *, ends, inherited, descriptors, supervisor):
        self.pid = pid
        self.limits = limits
        self.ends = ends  # None: wherever it announces itself
        self.deadline = started + limits["wall_s"]
        self.look = started + FIRST_LOOK_S
        self.peak_kb = 0
        self.inherited = inherited  # KiB a process has from the zygote
        self.place = None
        self.handle = os.pidfd_open(pid)
        self.out, self.err, self.control = descriptors
        self.read = {descriptor: bytearray() for descriptor in descriptors}
        self.most = limits["output_kb"] * 1024
        self.poll = select.poll()
        for descriptor in descriptors:
            os.set_blocking(descriptor, False)
            self.poll.register(descriptor, select.POLLIN)
        self.poll.register(self.handle, select.POLLIN)
        self.supervisor = supervisor
        self.poll.register(supervisor, 0)  # only that it hangs up

    def follow(self):
        """Return how the program ended, with what it wrote."""
        end = None
        while end is None:
            now = time.monotonic()
            if now >= self.deadline:
                end = "wall"
                break
            wait = min(self.deadline, self.look) - now
            for descriptor, event in self.poll.poll(max(0, wait * 1000)):
                end = self.attend_to(descriptor, event) or end
            if end is None and time.monotonic() >= self.look:
                end = self.check()
        self.drain()
        return {
            "end": end,
            "stdout": bytes(self.read[self.out][: self.most]),
            "stderr": bytes(self.read[self.err][: self.most]),
            "report": bytes(self.read[self.control]).split(b"\n")[0].decode("utf-8", "replace"),
        }

    def attend_to(self, descriptor, event):
        """Deal with what happened on a descriptor; return how the program ended if it did."""
        if descriptor == self.handle:
            return "gone"
        if descriptor == self.supervisor:
            return "abandoned"
        if not (event & select.POLLIN and self.take(descriptor)):
            self.poll.unregister(descriptor)
        if descriptor == self.control:
            self.look = 0.0
            return self.ended()
        return "output" if len(self.read[descriptor]) > self.most else None

    def ended(self):
        """Return "proved" if the program waits where only an ended one does."""
        for _ in range(BRIEFLY):
            self.place = place_of(self.pid)
            if self.place is not None and self.place[0] in PAUSES and self.is_end(self.place):
                return "proved"
            os.sched_yield()
        return None

    def is_end(self, place):
        """Tell whether it is where an ended program waits."""
        return bool(self.read[self.control]) if self.ends is None else place in self.ends

    def check(self):
        """Look at the memory of all processes, and whether the end went unannounced."""
        announced = bool(self.read[self.control])
        self.look = time.monotonic() + (ANNOUNCED_LOOK_S if announced else LOOK_S)
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
        room = self.most + 1 - len(self.read[descriptor])
        self.read[descriptor] += piece[: max(0, room)]
        return bool(piece)

    def drain(self):
        """Read what is still in the pipes, without waiting."""
        for descriptor in (self.out, self.err, self.control):
            before = -1
            while len(self.read[descriptor]) > before and len(self.read[descriptor]) <= self.most:
                before = len(self.read[descriptor])
                self.take(descriptor)

    def close(self):
        """Close the descriptors."""
        for descriptor in (self.handle, self.out, self.err, self.control):
            os.close(descriptor)
