"""A pool of slots: programs in, verdicts out, in the same order, with no barrier between them."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial

from selfalign.core.config.execution import BUILD
from selfalign.core.errors import ConfigError
from selfalign.program_environments import ProgramEnvironment, program_environment
from selfalign.sandbox.remote import RemoteSlot
from selfalign.sandbox.runtimes import WITHOUT_IMAGE, find_runtime
from selfalign.sandbox.slot import Slot, SlotDied
from selfalign.sandbox.types import DEFAULT_LIMITS, Limits, Program, Verdict

logger = logging.getLogger(__name__)

# Programs taken ahead of the oldest unfinished one, per slot, so that the others do not wait for a slow one.
LOOK_AHEAD = 64
# Programs that a slot is given at once where many wait, so that it does not wait for us between two of them.
BATCH = 16
# Slots that die of a program by itself until it is judged by that, and what is run in between.
MOST_DEATHS = 2
INNOCENT = Program("innocent", "assert True")

AnySlot = Slot | RemoteSlot
# Given the processor that the slot is to stay on, or None.
StartSlot = Callable[[int | None], AnySlot]


@dataclass(frozen=True, slots=True)
class _Task:
    program: Program
    limits: Limits
    verdict: Future[Verdict] = field(default_factory=Future)


class Pool:
    """Slots and the programs in them; see :func:`open_pool`.

    Args:
        start: starts a slot.
        size: slots.
        limits: of programs that bring none.
        most: limits that no program exceeds in memory and processes.

    Attributes:
        restarts: slots that died and were replaced.
        runtime: name of the runtime.
        image: digest of what programs see as their system.
        environment: identity of what programs can import.
    """

    def __init__(self, start: StartSlot, size: int, limits: Limits, most: Limits) -> None:
        self._start = start
        self._size = size
        self._limits = limits
        self._most = most
        self._waiting: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._current: dict[Future[Verdict], AnySlot] = {}
        self._abandoned: set[Future[Verdict]] = set()
        # For the pool's life: a sandbox ends with the thread that has started it.
        self._threads = ThreadPoolExecutor(size)
        self.restarts = 0
        starting = [Future[AnySlot]() for _ in range(size)]
        for future, processor in zip(starting, processors_of(size), strict=True):
            self._threads.submit(self._serve, future, processor)
        try:
            slot, *_ = [future.result() for future in starting]
        except BaseException:
            self.close()
            raise
        self.runtime = slot.runtime
        self.image = slot.image
        self.environment = slot.environment

    def run(self, programs: Iterable[Program]) -> Iterator[Verdict]:
        """Yield the verdict of every program, in the order of `programs`.

        Args:
            programs: read as needed.

        Raises:
            ConfigError: a program may use more than the slots have room for.
            InfrastructureError: sandboxes cannot be started any more.
        """
        unfinished: deque[Future[Verdict]] = deque()
        try:
            for program in programs:
                unfinished.append(self.submit(program))
                if len(unfinished) >= LOOK_AHEAD * self._size:
                    yield unfinished.popleft().result()
            while unfinished:
                yield unfinished.popleft().result()
        finally:
            for verdict in unfinished:
                verdict.cancel()

    def submit(self, program: Program) -> Future[Verdict]:
        """Queue one program; return the future of its verdict.

        Args:
            program: the program.

        Raises:
            ConfigError: the program exceeds the maximum limits of the slots.
        """
        task = _Task(program, self._allowed(program))
        self._waiting.put(task)
        return task.verdict

    def abandon(self, verdict: Future[Verdict]) -> None:
        """Stop a program whose verdict is no longer wanted: remove it from the queue, or replace its slot.

        Args:
            verdict: future returned by :meth:`submit`.
        """
        if verdict.cancel():
            return
        with self._lock:
            if not verdict.done():
                self._abandoned.add(verdict)
                if verdict in self._current:
                    self._current[verdict].kill()

    def close(self) -> None:
        """End all slots; wait for the programs that are running."""
        with contextlib.suppress(queue.Empty):
            while True:
                if (task := self._waiting.get_nowait()) is not None:
                    task.verdict.cancel()
        for _ in range(self._size):
            self._waiting.put(None)
        self._threads.shutdown()

    def _allowed(self, program: Program) -> Limits:
        limits = program.limits or self._limits
        if not limits.within(self._most):
            raise ConfigError(
                f"{program.key}: wants {limits.memory_mb} MiB and {limits.processes} processes; allowed: "
                f"{self._most.memory_mb} MiB and {self._most.processes}"
            )
        return limits

    def _serve(self, started: Future[AnySlot], processor: int | None) -> None:
        """Run what is waiting in one slot, until the pool closes."""
        try:
            slot = self._start(processor)
        except BaseException as error:
            started.set_exception(error)
            return
        started.set_result(slot)
        while tasks := self._take():
            try:
                slot = self._run_all(slot, tasks)
            except BaseException as error:
                for task in tasks:
                    if not task.verdict.done():
                        task.verdict.set_exception(error)
        slot.close()

    def _take(self) -> list[_Task]:
        """Wait for programs; return those that a slot is to run next, none when the pool closes.

        Never more than the slot's share of what waits, so that in the end no slot has a queue while another is idle.
        """
        most = max(1, min(BATCH, self._waiting.qsize() // self._size))
        taken: list[_Task] = []
        while len(taken) < most and (not taken or not self._waiting.empty()):
            task = self._waiting.get()
            if task is None:
                if taken:
                    self._waiting.put(None)
                break
            if task.verdict.set_running_or_notify_cancel():
                taken.append(task)
        return taken

    def _run_all(self, slot: AnySlot, tasks: Sequence[_Task]) -> AnySlot:
        """Run programs; return the slot that is left."""
        unfinished = deque(tasks)
        at_once = len(tasks)
        while unfinished:
            batch = list(unfinished)[:at_once]
            try:
                self._set_current(unfinished[0], slot)
                for verdict in slot.run_many([(task.program, task.limits) for task in batch]):
                    self._finish(unfinished.popleft(), verdict)
                    if unfinished:
                        self._set_current(unfinished[0], slot)
            except SlotDied as death:
                at_once = 1  # so that it is clear which program it was, should it die again
                task = unfinished.popleft()
                slot = self._replaced(slot, death, task)
                slot = self._run_again(slot, task)
        return slot

    def _set_current(self, task: _Task, slot: AnySlot) -> None:
        """Note which slot runs a program, for :meth:`abandon`; end the slot if it was already abandoned."""
        with self._lock:
            self._current[task.verdict] = slot
            if task.verdict in self._abandoned:
                slot.kill()

    def _finish(self, task: _Task, verdict: Verdict) -> None:
        """Publish a verdict."""
        with self._lock:
            self._current.pop(task.verdict, None)
            self._abandoned.discard(task.verdict)
            task.verdict.set_result(verdict)

    def _run_again(self, slot: AnySlot, task: _Task) -> AnySlot:
        """Run a program that a slot may have died of by itself, and find out what the slots die of.

        If a second slot dies of it, an innocent program is run, and then the program once more. The program is judged by the
        deaths only if the innocent one passes and the third slot dies too; otherwise the sandbox is at fault.
        """
        verdict, innocent, deaths = None, None, []
        while verdict is None and len(deaths) < MOST_DEATHS and task.verdict not in self._abandoned:
            self._set_current(task, slot)
            try:
                if deaths:
                    (innocent,) = slot.run_many([(INNOCENT, task.limits)])
                (verdict,) = slot.run_many([(task.program, task.limits)], apart=True)
            except SlotDied as death:
                deaths.append(death)
                slot = self._replaced(slot, death, task)
        if verdict is None:
            verdict = Verdict(
                *(task.program.key, "infrastructure", None, "", "abandoned", 0.0, 0.0, 0.0),
                *(self.runtime, self.image),
            )
            if deaths:
                verdict = replace(verdict, stderr=str(deaths[-1]))
            if len(deaths) == MOST_DEATHS and innocent is not None and innocent.status == "passed":
                status = "memory" if all(death.out_of_memory for death in deaths) else "forbidden"
                verdict = replace(verdict, status=status, error="the sandbox ended")
        self._finish(task, verdict)
        return slot

    def _replaced(self, slot: AnySlot, death: SlotDied, task: _Task) -> AnySlot:
        logger.warning("%s: %s", task.program.key, death)
        self.restarts += 1
        return self._start(slot.processor)


def processors_of(slots: int) -> list[int | None]:
    """Return the processor that each slot is to stay on, where there are enough slots to use all that are ours.

    Fewer run wherever there is room: it is not known which processors others use.

    Args:
        slots: their number.
    """
    processors = sorted(os.sched_getaffinity(0))
    if slots < len(processors):
        return [None] * slots
    return [processors[number % len(processors)] for number in range(slots)]


@contextlib.contextmanager
def open_pool(
    runtime: str = "auto",
    *,
    workers: int | None = None,
    limits: Limits = DEFAULT_LIMITS,
    most: Limits | None = None,
    warm: Sequence[str] = (),
    image: str = "",
    environment: ProgramEnvironment | None = None,
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
        environment: what programs can import; None: ``build``. A sandbox on another host must serve the same one.

    Raises:
        ConfigError: no such runtime; `image` is given for one that is no container engine; or the other host allows less
            than `most`, or serves another environment.
        InfrastructureError: the sandbox does not work on this machine.
    """
    remote = runtime.startswith(("http://", "https://"))
    if image and (remote or runtime in WITHOUT_IMAGE):
        raise ConfigError(
            f"configuration: 'execution.image' (--image) is {image!r}, but 'execution.runtime' is {runtime!r}, which is no "
            "container engine of this machine; leave the image empty"
        )
    if remote:
        wanted = (environment or program_environment(BUILD)).identity
        start: StartSlot = partial(RemoteSlot, runtime, most or limits, wanted)
    else:
        start = partial(Slot, find_runtime(runtime, image, environment), most or limits, warm)
    pool = Pool(start, workers or len(os.sched_getaffinity(0)), limits, most or limits)
    try:
        yield pool
    finally:
        pool.close()
