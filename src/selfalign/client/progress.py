"""Progress of a step that sends requests, and its failed requests."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from collections.abc import Callable, Iterator

from selfalign.client.metrics import Metrics
from selfalign.client.types import Result
from selfalign.core.errors import InfrastructureError
from selfalign.core.filtering import Drop

log = logging.getLogger(__name__)

LINE_EVERY_S = 30.0
BAR_EVERY_S = 0.25

# Drop reasons of records whose request failed permanently.
REQUEST_FAILED = "request_failed"
REQUEST_REFUSED = "request_refused"


@contextlib.contextmanager
def progress(name: str, total: int, metrics: Metrics, live: bool = True) -> Iterator[Callable[[], None]]:
    """Yield a function to be called once per finished record.

    Args:
        name: name of the step.
        total: number of records.
        metrics: metrics of the client.
        live: show a bar if standard error is a terminal; False for the jobs of a workflow, which share one.
    """
    if live and sys.stderr.isatty():
        with _bar(name, total, metrics) as step:
            yield step
        return
    yield _lines(name, total, metrics)


def describe(metrics: Metrics) -> str:
    """Return tokens per second, requests in flight and number of retries, as text.

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


class Failures:
    """Counts the requests of a step that failed permanently.

    A request that the server rejects for its content (such as a prompt that is too long) only drops its record; if all
    are rejected, the settings are wrong. Other failures are the server's; only a small share of them is tolerated.

    Args:
        step: name of the step, for messages.
        allowed_share: largest share of the step's requests that may fail, not counting rejected ones.
    """

    def __init__(self, step: str, allowed_share: float) -> None:
        self._step = step
        self._allowed_share = allowed_share
        self._failed: list[str] = []
        self._refused: list[str] = []

    def note(self, result: Result) -> Drop:
        """Log and count a failure; return the drop of its record.

        Args:
            result: a result with an error.
        """
        (self._refused if result.refused else self._failed).append(f"{result.request.key}: {result.error}")
        if result.refused:
            log.warning("%s: dropped, the server rejected the request: %s", result.request.key, result.error)
            return Drop(REQUEST_REFUSED, result.error)
        log.error("%s: the request failed permanently: %s", result.request.key, result.error)
        return Drop(REQUEST_FAILED, result.error)

    def check(self, total: int) -> None:
        """Stop the step as soon as it is certain to fail; completions stay cached.

        Args:
            total: number of requests of the step, including those not yet sent.

        Raises:
            InfrastructureError: too many requests failed, or all were rejected.
        """
        if len(self._failed) > self._allowed_share * total:
            raise InfrastructureError(
                f"{self._step}: {len(self._failed)} of {total} requests have failed permanently, more than "
                f"client.max_failed_share = {self._allowed_share:g} allows; the first: {self._failed[0]}"
            )
        if self._refused and len(self._refused) == total:
            raise InfrastructureError(
                f"{self._step}: the server rejected all {total} requests; the first: {self._refused[0]}"
            )
