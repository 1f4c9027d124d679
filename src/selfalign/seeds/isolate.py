"""Run a function over many items in worker processes; an item that crashes or hangs does not affect the others."""

from __future__ import annotations

import contextlib
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from queue import LifoQueue
from threading import Lock
from typing import Any, Generic, TypeVar

from selfalign.core.errors import SelfalignError

Item = TypeVar("Item")
Value = TypeVar("Value")

# Starting a process polls all earlier ones, and only the first reader of an exit status gets it.
_STARTS_AND_ENDS = Lock()


@dataclass(frozen=True, slots=True)
class Done(Generic[Value]):
    """The result of an item.

    Attributes:
        value: what the function returned.
    """

    value: Value


@dataclass(frozen=True, slots=True)
class Failed:
    """An item without a result.

    Attributes:
        reason: ``timeout``, ``crash`` (the process died) or ``error`` (an exception).
        detail: the signal or exception.
    """

    reason: str
    detail: str


def run_isolated(
    function: Callable[[Item], Value],
    items: Iterable[Item],
    *,
    workers: int,
    timeout_s: float,
    batch: int = 32,
) -> Iterator[tuple[Item, Done[Value] | Failed]]:
    """Yield every item with its result, in input order.

    A batch that crashes, or takes longer than `timeout_s`, is run again item by item with the same limit, so only the
    items that cause it fail.

    Args:
        function: importable by name, with picklable results.
        items: read ahead by a few batches per worker.
        workers: maximum number of worker processes.
        timeout_s: time limit of a batch, and of an item that is run again, in seconds.
        batch: items per batch.
    """
    remaining = iter(items)
    waiting: deque[tuple[list[Item], Future[list[Done[Value] | Failed]]]] = deque()
    idle: LifoQueue[_Worker[Item, Value]] = LifoQueue()
    for _ in range(workers):
        idle.put(_Worker(function, timeout_s))

    def run(part: list[Item]) -> list[Done[Value] | Failed]:
        worker = idle.get()
        try:
            return worker.run(part)
        finally:
            idle.put(worker)

    threads = ThreadPoolExecutor(workers)
    try:
        while True:
            while len(waiting) < 2 * workers and (part := list(islice(remaining, batch))):
                waiting.append((part, threads.submit(run, part)))
            if not waiting:
                break
            part, future = waiting.popleft()
            yield from zip(part, future.result(), strict=True)
    finally:
        threads.shutdown(cancel_futures=True)
        for _ in range(workers):
            idle.get().stop()


class _Worker(Generic[Item, Value]):
    """A process that computes one batch at a time, started when first needed and again after every failure.

    It has a pipe of its own: where workers share one, a pool can see a process end before it has read which task the
    process took.
    """

    def __init__(self, function: Callable[[Item], Value], timeout_s: float) -> None:
        self._function = function
        self._timeout_s = timeout_s
        self._running: tuple[ForkServerProcess, Any] | None = None  # and our end of its pipe

    def run(self, items: list[Item]) -> list[Done[Value] | Failed]:
        """Return the outcome of every item."""
        outcomes = self._attempt(items)
        if not isinstance(outcomes, Failed):
            return outcomes
        if len(items) == 1:
            return [outcomes]
        return [outcome for item in items for outcome in self.run([item])]

    def stop(self) -> None:
        """End the process, if there is one."""
        if self._running is not None:
            process, pipe = self._running
            pipe.close()
            with _STARTS_AND_ENDS:
                process.kill()
                process.join()
        self._running = None

    def _attempt(self, items: list[Item]) -> list[Done[Value] | Failed] | Failed:
        process, pipe = self._started()
        try:
            pipe.send(items)
            if pipe.poll(self._timeout_s):
                return pipe.recv()
            failed = Failed("timeout", f"longer than {self._timeout_s} s")
        except (EOFError, OSError):
            with _STARTS_AND_ENDS:
                process.join()
            failed = Failed("crash", f"the process ended with status {process.exitcode}")
        self.stop()
        return failed

    def _started(self) -> tuple[ForkServerProcess, Any]:
        if self._running is not None:
            return self._running
        context = get_context("forkserver")
        pipe, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(self._function, theirs), daemon=True)
        with _STARTS_AND_ENDS:
            process.start()
        theirs.close()
        self._running = process, pipe
        try:
            pipe.recv()  # so that the time limit of a batch does not include the start
        except EOFError:
            raise RuntimeError(
                "a worker process ended before it took a batch; its error is printed above"
            ) from None
        return self._running


def _serve(function: Callable[[Item], Value], pipe: Any) -> None:
    """Compute the batches that arrive until the other end is closed."""
    # Ctrl-C reaches the whole process group; the parent ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(EOFError, BrokenPipeError):  # the parent is gone
        pipe.send("ready")
        while True:
            pipe.send([_run_one(function, item) for item in pipe.recv()])


def _run_one(function: Callable[[Item], Value], item: Item) -> Done[Value] | Failed:
    try:
        return Done(function(item))
    except SelfalignError as error:
        return Failed("error", str(error))
    except RecursionError:
        return Failed("error", "RecursionError: nested too deeply")
    except Exception as error:  # any exception of a parser concerns this item only
        return Failed("error", f"{type(error).__name__}: {error}")
