"""Keeps a bounded number of requests in flight, without batch barriers, and retries transient errors."""

from __future__ import annotations

import asyncio
import logging
import math
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from selfalign.client.endpoints import Endpoints
from selfalign.client.metrics import Metrics
from selfalign.client.transport import Transport
from selfalign.client.types import Answer, PermanentError, Request, TransientError
from selfalign.core.config.serving import ClientConfig

log = logging.getLogger(__name__)

# Waits requested by a server (Retry-After) of at least this many seconds are logged.
LONG_WAIT_S = 10.0


@dataclass(eq=False, slots=True)
class PendingRequest:
    """A request that has no result yet.

    Attributes:
        request: the request.
        completion_key: its key in the completion cache; None where completions are not cached.
        tries: number of failed attempts.
    """

    request: Request
    completion_key: str | None = None
    tries: int = 0


Done = Callable[[PendingRequest, "Answer | PermanentError"], None]


class InFlightLimit:
    """Limit of requests in flight: the configured maximum, less while servers are overloaded.

    An overload (429, 503, a time-out) reduces the limit by 30 %, once for all requests that were in flight together;
    a limit's worth of answers raises it by one (additive increase, multiplicative decrease; Chiu and Jain, 1989).
    Times are in seconds of one monotonic clock.

    Args:
        maximum: the configured maximum.
    """

    DECREASE = 0.7

    def __init__(self, maximum: int) -> None:
        self._maximum = maximum
        self._exact = float(maximum)
        self._decreased_at = -math.inf

    @property
    def value(self) -> int:
        """The current limit."""
        return int(self._exact)

    def answered(self) -> None:
        """Record an answer."""
        self._exact = min(float(self._maximum), self._exact + 1 / self._exact)

    def overloaded(self, sent_at: float, now: float) -> None:
        """Record that the server rejected a request because of overload, or did not answer in time.

        Args:
            sent_at: when the request was sent.
            now: the current time.
        """
        if sent_at > self._decreased_at:
            self._exact = max(1.0, self._exact * self.DECREASE)
            self._decreased_at = now


class Dispatcher:
    """Sends requests; used inside one event loop.

    Args:
        transport: sends a single request.
        endpoints: the servers.
        settings: the client's settings.
        metrics: counters to update.
        done: called once per request, with its answer or its permanent error.
    """

    def __init__(
        self,
        transport: Transport,
        endpoints: Endpoints,
        settings: ClientConfig,
        metrics: Metrics,
        done: Done,
    ) -> None:
        self._transport = transport
        self._endpoints = endpoints
        self._settings = settings
        self._metrics = metrics
        self._done = done
        self._limit = InFlightLimit(settings.max_in_flight)
        self._waiting: deque[PendingRequest] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._wait_announced_until = -math.inf
        # Jitter spreads retries in time; no output depends on it.
        self._jitter = random.Random()

    def add(self, jobs: list[PendingRequest]) -> None:
        """Add requests to the end of the queue.

        Args:
            jobs: the requests.
        """
        self._waiting.extend(jobs)
        self._pump()

    def _pump(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting and len(self._tasks) < self._limit.value:
            task = loop.create_task(self._send(self._waiting.popleft()))
            self._tasks.add(task)
            task.add_done_callback(self._finished)
        self._metrics.in_flight = len(self._tasks)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        task.result()
        self._pump()

    async def _send(self, job: PendingRequest) -> None:
        loop = asyncio.get_running_loop()
        endpoint = await self._endpoints.acquire()
        sent = loop.time()
        self._metrics.requests += 1
        try:
            answer = await self._transport.complete(endpoint.url, job.request)
        except TransientError as error:
            endpoint.failed(error, loop.time())
            self._try_again(job, error, sent, endpoint.url)
        except PermanentError as error:
            endpoint.answered()
            self._give_up(job, error)
        else:
            endpoint.answered()
            self._metrics.answered(loop.time() - sent, answer.usage)
            self._limit.answered()
            self._done(job, answer)
        finally:
            endpoint.release()

    def _try_again(self, job: PendingRequest, error: TransientError, sent: float, url: str) -> None:
        loop = asyncio.get_running_loop()
        if error.overload:
            self._limit.overloaded(sent, loop.time())
        if error.unreachable:
            # Not counted as a failed attempt: the request waits for a reachable server.
            self._metrics.retries[error.reason] += 1
            self._queue_first(job)
            return
        job.tries += 1
        if job.tries > self._settings.max_retries:
            detail = f"{error.detail} (sent {job.tries} times)".strip()
            self._give_up(job, PermanentError(error.reason, detail))
            return
        self._metrics.retries[error.reason] += 1
        loop.call_later(self._delay(job.tries, error, url), self._queue_first, job)

    def _give_up(self, job: PendingRequest, error: PermanentError) -> None:
        self._metrics.failures[error.reason] += 1
        self._done(job, error)

    def _delay(self, tries: int, error: TransientError, url: str) -> float:
        """Return the seconds to wait: exponential backoff with full jitter, added to the server's Retry-After."""
        backoff = min(self._settings.backoff_longest_s, self._settings.backoff_first_s * 2 ** (tries - 1))
        longest = self._settings.retry_after_longest_s
        asked = error.retry_after or 0.0
        wait = min(asked, longest)
        now = asyncio.get_running_loop().time()
        if (asked > longest or wait >= LONG_WAIT_S) and now >= self._wait_announced_until:
            self._wait_announced_until = now + wait
            cut = f", which is cut to client.retry_after_longest_s = {longest:g} s" if asked > longest else ""
            log.warning("%s asks to wait %.0f s (%s: %s)%s", url, asked, error.reason, error.detail, cut)
        return wait + self._jitter.uniform(0, backoff)

    def _queue_first(self, job: PendingRequest) -> None:
        self._waiting.appendleft(job)
        self._pump()

    async def close(self) -> None:
        """Cancel all requests."""
        self._waiting.clear()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
