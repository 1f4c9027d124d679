"""Run a function over many items in worker processes; an item that crashes or hangs does not affect the others."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from itertools import chain, islice
from multiprocessing import get_context
from typing import Any, Generic, TypeVar

from pebble import ProcessExpired, ProcessFuture, ProcessPool

from selfalign.core.errors import SelfalignError

Item = TypeVar("Item")
Value = TypeVar("Value")


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
    pending = iter(items)
    # A worker without a batch may still be starting when the pool stops, and then prints a traceback.
    first = list(islice(pending, workers * batch))
    workers = max(1, -(-len(first) // batch))
    pending = chain(first, pending)
    waiting: deque[tuple[list[Item], ProcessFuture]] = deque()
    context: Any = get_context("forkserver")  # pebble's protocol for it does not fit its own stubs
    with ProcessPool(max_workers=workers, context=context) as pool:

        def submit() -> None:
            while len(waiting) < 2 * workers:
                part = list(islice(pending, batch))
                if not part:
                    return
                waiting.append((part, pool.schedule(_run_batch, args=(function, part), timeout=timeout_s)))

        try:
            submit()
            while waiting:
                part, future = waiting.popleft()
                outcome = _wait(future)
                submit()
                if isinstance(outcome, Done):
                    yield from zip(part, outcome.value, strict=True)
                    continue
                if len(part) == 1:
                    yield part[0], outcome
                    continue
                for item in part:
                    alone = _wait(pool.schedule(_run_batch, args=(function, [item]), timeout=timeout_s))
                    yield item, alone.value[0] if isinstance(alone, Done) else alone
        finally:
            pool.stop()


def _run_batch(function: Callable[[Item], Value], items: list[Item]) -> list[Done[Value] | Failed]:
    return [_run_one(function, item) for item in items]


def _run_one(function: Callable[[Item], Value], item: Item) -> Done[Value] | Failed:
    try:
        return Done(function(item))
    except SelfalignError as error:
        return Failed("error", str(error))
    except RecursionError:
        return Failed("error", "RecursionError: nested too deeply")
    except Exception as error:  # any exception of a parser concerns this item only
        return Failed("error", f"{type(error).__name__}: {error}")


def _wait(future: ProcessFuture) -> Done[list[Done | Failed]] | Failed:
    try:
        return Done(future.result())
    except FutureTimeoutError as error:
        return Failed("timeout", f"longer than {error.args[1]} s")
    except ProcessExpired as error:
        return Failed("crash", f"the process ended with status {error.exitcode}")
