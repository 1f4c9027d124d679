"""Proof that a program has come to its end: what the kernel shows of its process.

Whatever a forked process knows or can write, the program in it knows and can write too, so tokens, messages and exit
statuses prove nothing. The proof is where the process is and what lies below that on its native stack.
`program.attend` calls the program through a C function (`functools.partial`), and waits in ``pause()`` when that has
returned. From the kernel the fork loop then reads

1. the system call, stack pointer and program counter of the main thread (``/proc/<pid>/syscall``), and
2. the return addresses on its stack from there to the start of the process (``/proc/<pid>/mem``), and the random bytes
   that the kernel gives to a process when it executes a file.

Both have to be those of harmless programs that were run when the slot started. The interpreter runs the fork loop, the
functions that called it, and `attend` in one native frame: a call of ``pause()`` directly from that frame has a stack
pointer that no other call can have while the frame exists, because each goes through at least one more native function.
The frame executes nothing but `attend`: every failure of the program raises, and neither `attend` nor the functions
that called it catch exceptions or have line numbers, so no code and no jump of a trace function continues there. An
exception that leaves the frame, such as one from `program.report` with its names replaced, takes the return addresses
with it: what the interpreter then calls at its end, such as exception hooks, exit functions and finalizers, can reach
the stack pointer, but not the stack. A process that has executed another file has other random bytes.

Limit: native code that the program brings or writes, which includes calling C functions with forged arguments (such as
``setcontext`` by ctypes) and, on kernels without Landlock, writing to /proc/self/mem, can make its own stack look as it
likes. It could also remove its tests. It still cannot reach anything outside its own process.
"""

# Plain os functions, not pathlib: they are called for every program.
# ruff: noqa: PTH123

import ctypes
import os
import struct
from os import close, pread, sched_yield
from time import sleep

# A process takes some tens of microseconds from announcing its end to waiting there. The first looks only give up the
# processor, for a slot that stays on one.
LOOKS, YIELDING_LOOKS, LOOK_S = 20, 4, 0.00003
# pause and ppoll on x86-64, ppoll on aarch64 (glibc's pause is one of these).
PAUSES = (b"34", b"271", b"73")
WORD = struct.calcsize("P")
# Bytes above the stack pointer that are not compared: the frames of the call of pause(), with remnants in their gaps.
CALL_BYTES = 512
# Fewer return addresses than this are no proof.
FEWEST_RETURNS = 4
# More of them are not compared: those of the innermost frames are gone first, and every page that is touched takes time.
MOST_RETURNS = 6
AT_RANDOM, RANDOM_BYTES = 25, 16


class Completion:
    """Recognizes processes whose program has come to its end.

    It is made in the process whose forks are looked at, and learns from harmless programs first.

    Attributes:
        learning: whether every process in pause() is accepted, and remembered.
    """

    def __init__(self):
        self.learning = True
        self._places = set()
        self._address = self._length = self._mask = self._returns = self._random = 0
        self._random_bytes = b""

    def is_reached(self, pid, looks=1):
        """Tell whether a process waits, or comes to wait, where only a program at its end waits.

        Args:
            pid: the program's process.
            looks: how often to look.
        """
        try:
            descriptor = os.open(f"/proc/{pid}/syscall", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            for look in range(looks):
                if look < YIELDING_LOOKS:
                    sched_yield()
                else:
                    sleep(LOOK_S)
                try:
                    words = pread(descriptor, 256, 0).split()
                except OSError:
                    return False
                if len(words) != 9:
                    continue  # it runs
                place = words[0], words[-2], words[-1]  # system call, stack pointer, program counter
                if self.learning and words[0] in PAUSES:
                    self._places.add(place)
                    return True
                if place in self._places:
                    return self._has_stack(pid)
        finally:
            close(descriptor)
        return False

    def finish_learning(self):
        """Take the return addresses from this process's own stack, which its forks share, and compare from now on.

        Raises:
            RuntimeError: there are too few.
        """
        get_auxiliary = ctypes.CDLL(None).getauxval
        get_auxiliary.restype = ctypes.c_ulong
        self._random = get_auxiliary(AT_RANDOM)
        self._random_bytes = ctypes.string_at(self._random, RANDOM_BYTES)
        first = max(int(pointer, 16) for _, pointer, _ in self._places) + CALL_BYTES & -WORD
        code = executable_ranges()
        own = ctypes.string_at(first, self._random - first)
        returns = [
            offset
            for offset in range(0, len(own), WORD)
            if any(start <= word_at(own, offset) < end for start, end in code)
        ][:MOST_RETURNS]
        if len(returns) < FEWEST_RETURNS:
            raise RuntimeError(f"cannot see the stack of a process ({len(returns)} return addresses)")
        self._address = first + returns[0]
        self._length = returns[-1] - returns[0] + WORD
        mask = bytearray(self._length)
        for offset in returns:
            mask[offset - returns[0] : offset - returns[0] + WORD] = b"\xff" * WORD
        self._mask = int.from_bytes(mask, "little")
        self._returns = int.from_bytes(own[returns[0] :][: self._length], "little") & self._mask
        self.learning = False

    def _has_stack(self, pid):
        """Whether a process has the expected return addresses on its stack, and has executed no other file.

        Args:
            pid: the process.
        """
        try:
            memory = os.open(f"/proc/{pid}/mem", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            stack = int.from_bytes(pread(memory, self._length, self._address), "little")
            return (
                stack & self._mask == self._returns
                and pread(memory, RANDOM_BYTES, self._random) == self._random_bytes
            )
        except OSError:
            return False
        finally:
            close(memory)


def executable_ranges():
    """Return the first address and the end of each of this process's mappings with code."""
    found = []
    with open("/proc/self/maps") as handle:
        for line in handle:
            addresses, permissions = line.split()[:2]
            if "x" in permissions:
                first, _, end = addresses.partition("-")
                found.append((int(first, 16), int(end, 16)))
    return found


def word_at(data, offset):
    """Return a pointer-sized integer.

    Args:
        data: bytes.
        offset: of its first byte.
    """
    return int.from_bytes(data[offset : offset + WORD], "little")
