"""Programs' turns, one after the other: from the fork to the end of those that end soon.

`selfalign_turns` of turn.c does this without Python in between, where the library can be loaded; `begin` is what Python does
instead: it begins one program and leaves the rest to `watch`. The structures are those of turn.c.
"""

import ctypes
import os
import time
from ctypes import c_char, c_double, c_int32, c_int64

from kernel import RLimit, fork  # pyright: ignore[reportMissingImports]
from program import become_program  # pyright: ignore[reportMissingImports]

STREAMS = OUT, ERR, CONTROL = range(3)
LIMITS, PLACES, DIRECTORIES, PATH, PLACE, KEPT = 8, 8, 4, 256, 64, 1024
OPEN, PROVED, GONE, FAILED = range(4)
PATIENCE_MS = 20  # most programs have ended by then
DESCRIPTORS = 256  # more than a zygote ever has
MOST = 64  # programs at once


class Limits(ctypes.Structure):
    """Resource limits of a program."""

    _fields_ = [("count", c_int32), ("which", c_int32 * LIMITS), ("values", RLimit * LIMITS)]


class Surroundings(ctypes.Structure):
    """What holds for all programs of a slot.

    ``place``: where an ended program waits, as `kernel.place_in` says it; ``directory``, ``size``, ``mode``: places
    where a program can write, and what they look like when they are empty.
    """

    _fields_ = [
        ("supervisor", c_int32),
        ("places", c_int32),
        ("directories", c_int32),
        ("patience_ms", c_int32),
        ("place", c_char * PLACE * PLACES),
        ("directory", c_char * PATH * DIRECTORIES),
        ("size", c_int64 * DIRECTORIES),
        ("mode", c_int64 * DIRECTORIES),
    ]


class Turn(ctypes.Structure):
    """One program: what it is given (``limits``; ``given``: the descriptor of its standard input), what was seen of it.

    ``end``: OPEN while it is to be followed, else how it ended; ``left``: whether something may be left of it;
    ``stream``, ``length``, ``read``: the pipes it writes to, and what was read from them.
    """

    _fields_ = [
        ("limits", ctypes.POINTER(Limits)),
        ("given", c_int32),
        ("end", c_int32),
        ("left", c_int32),
        ("pid", c_int32),
        ("handle", c_int32),
        ("status", c_int32),
        ("stream", c_int32 * 3),
        ("length", c_int32 * 3),
        ("started", c_double),
        ("wall_s", c_double),
        ("cpu_s", c_double),
        ("peak_kb", c_int64),
        ("place", c_char * PLACE),
        ("read", c_char * KEPT * 3),
    ]

    def text(self, stream):
        """Return what was read from a stream."""
        return ctypes.string_at(self.read[stream], self.length[stream])


class Native:
    """What is compiled of the C files, where the interpreter was started with it; else the same in Python, as far as it goes.

    Attributes:
        turns: see `begin`.
        room: for MOST turns. The library's is in no huge page, which writing to it after a fork would split.
        gather: have the zygote's memory in huge pages, if it can be.
    """

    def __init__(self):
        loaded = ctypes.PyDLL(None)
        if not hasattr(loaded, "selfalign_sizes"):
            self.turns, self.room, self.gather = begin, (Turn * MOST)(), int
            return
        if [loaded.selfalign_sizes(which) for which in range(2)] != list(
            map(ctypes.sizeof, (Surroundings, Turn))
        ):
            raise RuntimeError("the library of the slot is not of this version: install the package again")
        self.turns, self.gather = loaded.selfalign_turns, loaded.selfalign_gather
        self.room = (Turn * MOST).in_dll(loaded, "selfalign_room")


def begin(_surroundings, batch, first, _count):
    """Begin program `first`: return its number in its own process, -2 - that in the zygote."""
    turn = batch[first]
    (out, out_w), (err, err_w), (control, control_w) = os.pipe(), os.pipe(), os.pipe()
    turn.started = time.monotonic()
    turn.pid = fork()
    if turn.pid == 0:
        become_program((turn.given, out_w, err_w, control_w), DESCRIPTORS, turn.limits[0])
        return first
    if turn.pid < 0:
        raise OSError("fork failed")
    for descriptor in (out_w, err_w, control_w):
        os.close(descriptor)
    turn.stream[:] = out, err, control
    for descriptor in turn.stream:
        os.set_blocking(descriptor, False)  # a program can read from its own pipes too
    turn.handle = os.pidfd_open(turn.pid)
    turn.end = OPEN
    return -2 - first
