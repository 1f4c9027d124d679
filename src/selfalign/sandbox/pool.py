"""A pool of slots: programs in, verdicts out, in the same order, with no barrier between them."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

from selfalign.sandbox.remote import RemoteSlot
from selfalign.sandbox.runtimes import find_runtime
from selfalign.sandbox.slot import Slot, SlotDied
from selfalign.sandbox.types import DEFAULT_LIMITS, Limits, Program, Verdict

logger = logging.getLogger(__name__)

# Programs taken ahead of the oldest unfinished one, per slot: enough that a slow one holds up nobody.
LOOK_AHEAD = 64

StartSlot = Callable[[], Slot | RemoteSlot]


class Pool:
    """Slots and the programs in them; see :func:`open_pool`.

    Attributes:
        restarts: slots that died and were replaced.
        runtime: name of the runtime.
        image: digest of what programs see as their system.
    """

    def __init__(self, start: StartSlot, size: int, limits: Limits) -> None:
        self._start = start
        self._free: queue.SimpleQueue[Slot | RemoteSlot] = queue.SimpleQueue()
        self._size = size
        # For the pool's life: a sandbox ends with the thread that has started it.
        self._threads = ThreadPoolExecutor(size)
        self._limits = limits
        self.restarts = 0
        starting = [self._threads.submit(self._add_slot) for _ in range(size)]
        try:
            slot, *_ = [future.result() for future in starting]
        except BaseException:
            self.close()
            raise
        self.runtime = slot.runtime
        self.image = slot.image

    def run(self, programs: Iterable[Program]) -> Iterator[Verdict]:
        """Yield the verdict of every program, in the order of `programs`, which is read as needed.

        Raises:
            InfrastructureError: sandboxes cannot be started any more.
        """
        waiting: deque[Future[Verdict]] = deque()
        try:
            for program in programs:
                waiting.append(self._threads.submit(self._run_one, program))
                if len(waiting) >= LOOK_AHEAD * self._size:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

    def close(self) -> None:
        """End all slots; wait for the programs that are running."""
        self._threads.shutdown(cancel_futures=True)
        with contextlib.suppress(queue.Empty):
            while True:
                self._free.get_nowait().close()

    def _add_slot(self) -> Slot | RemoteSlot:
        slot = self._start()
        self._free.put(slot)
        return slot

    def _run_one(self, program: Program) -> Verdict:
        """Run a program; if its slot dies, once more in a new one; then say so instead of judging it."""
        limits = program.limits or self._limits
        problem = ""
        for _ in range(2):
            slot = self._free.get()
            try:
                verdict = slot.run(program, limits)
            except SlotDied as death:
                logger.warning("%s: %s", program.key, death)
                problem = str(death)
                self.restarts += 1
                slot = self._start()
                continue
            finally:
                self._free.put(slot)
            return verdict
        return Verdict(
            program.key, "infrastructure", None, "", problem, 0.0, 0.0, 0.0, self.runtime, self.image
        )


@contextlib.contextmanager
def open_pool(
    runtime: str = "auto",
    *,
    workers: int | None = None,
    limits: Limits = DEFAULT_LIMITS,
    most: Limits | None = None,
    warm: Sequence[str] = (),
    image: str = "",
) -> Iterator[Pool]:
    """Open a pool of sandboxes; they and all that runs in them end with the block.

    Args:
        runtime: name of one; "auto": the strongest that passes its self-test; or the address (http://…) of a
            sandbox that is served on another host.
        workers: slots, or connections to another host; None: one for every processor this process may use.
        limits: of programs that bring none.
        most: limits that no program exceeds in memory and processes; None: `limits`.
        warm: pieces of Python, such as imports, that programs begin with: run once before the first of them, to find
            their modules loaded; those that fail are passed over, and a sandbox on another host runs none.
        image: of a container engine: reference, or a ``.sif`` file; empty: the default.

    Raises:
        ConfigError: no such runtime; or the other host allows less than `most`.
        InfrastructureError: the sandbox does not work on this machine.
    """
    if runtime.startswith(("http://", "https://")):
        start: StartSlot = partial(RemoteSlot, runtime, most or limits)
    else:
        start = partial(Slot, find_runtime(runtime, image), most or limits, warm)
    pool = Pool(start, workers or len(os.sched_getaffinity(0)), limits)
    try:
        yield pool
    finally:
        pool.close()
