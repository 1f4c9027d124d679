"""Progress of a job: a live bar in a terminal, or a line in the log at intervals."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from collections.abc import Callable, Iterator

from selfalign.client.metrics import Metrics

log = logging.getLogger(__name__)

LINE_EVERY_S = 30.0
BAR_EVERY_S = 0.25


@contextlib.contextmanager
def progress(name: str, total: int, metrics: Metrics, live: bool = True) -> Iterator[Callable[[], None]]:
    """Yield a function to be called once per finished record.

    Args:
        name: name of the step.
        total: number of records.
        metrics: metrics of the client.
        live: show a bar if standard error is a terminal; not for jobs of a workflow, which share one.
    """
    if live and sys.stderr.isatty():
        with _bar(name, total, metrics) as step:
            yield step
        return
    yield _lines(name, total, metrics)


def describe(metrics: Metrics) -> str:
    """Return tokens per second, requests in flight and retries so far, as text.

    Args:
        metrics: metrics of the client.
    """
    elapsed = max(time.monotonic() - metrics.started, 1e-9)
    return (
        f"{metrics.completion_tokens / elapsed:.0f} tokens/s, {metrics.in_flight} in flight, "
        f"{metrics.retries.total()} retries"
    )


def _lines(name: str, total: int, metrics: Metrics) -> Callable[[], None]:
    started = last = time.monotonic()
    done = 0

    def step() -> None:
        nonlocal done, last
        done += 1
        now = time.monotonic()
        if now - last < LINE_EVERY_S:
            return
        last = now
        left = (now - started) / done * (total - done)
        log.info("%s: %d of %d records, %s, about %.0f s left", name, done, total, describe(metrics), left)

    return step


@contextlib.contextmanager
def _bar(name: str, total: int, metrics: Metrics) -> Iterator[Callable[[], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = [
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rates]}"),
        TimeRemainingColumn(),
    ]
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(name, total=total, rates="")
        done, last = 0, 0.0

        def step() -> None:
            nonlocal done, last
            done += 1
            now = time.monotonic()
            if now - last >= BAR_EVERY_S or done == total:
                last = now
                bar.update(task, completed=done, rates=describe(metrics))

        yield step
