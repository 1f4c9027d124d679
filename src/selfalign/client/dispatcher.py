"""Keeps a bounded number of requests in flight, without barriers, and sends again what may succeed."""

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

# A wait that a server asks for is logged from here on, in seconds.
LONG_WAIT_S = 10.0


@dataclass(eq=False, slots=True)
class Job:
    """One request on its way through the client.

    Attributes:
        request: the request.
        completion_key: its key in the completion cache; None where completions are not cached.
        tries: times it was sent and failed.
    """

    request: Request
    completion_key: str | None = None
    tries: int = 0


Done = Callable[[Job, "Answer | PermanentError"], None]


class InFlightLimit:
    """How many requests may be in flight: the configured number, and fewer while servers are overloaded.

    An overload (429, 503, a time-out) takes three tenths off, once for all requests that were in flight together;
    each answer gives back its share, so that a whole round of answers gives back one place (additive increase,
    multiplicative decrease; Chiu and Jain, 1989). All times in seconds of one monotonic clock.

    Args:
        most: the configured number.
    """

    DECREASE = 0.7

    def __init__(self, most: int) -> None:
        self._most = most
        self._exact = float(most)
        self._decreased_at = -math.inf

    @property
    def value(self) -> int:
        """The most requests to have in flight now."""
        return int(self._exact)

    def answered(self) -> None:
        """Note an answer."""
        self._exact = min(float(self._most), self._exact + 1 / self._exact)

    def overloaded(self, sent_at: float, now: float) -> None:
        """Note that a request sent at `sent_at` was turned away, or timed out, for overload."""
        if sent_at > self._decreased_at:
            self._exact = max(1.0, self._exact * self.DECREASE)
            self._decreased_at = now


class Dispatcher:
    """Sends jobs; lives inside one event loop.

    Args:
        transport: sends one request.
        endpoints: the servers.
        settings: how many at a time, and how often again.
        metrics: what is counted.
        done: called once per job, with its answer or with the reason it failed for good.
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
        self._waiting: deque[Job] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._wait_announced_until = -math.inf
        # Jitter spreads retries in time; it touches nothing that is written.
        self._jitter = random.Random()

    def add(self, jobs: list[Job]) -> None:
        """Queue `jobs`, after those that wait already."""
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

    async def _send(self, job: Job) -> None:
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

    def _try_again(self, job: Job, error: TransientError, sent: float, url: str) -> None:
        loop = asyncio.get_running_loop()
        if error.overload:
            self._limit.overloaded(sent, loop.time())
        if error.unreachable:
            # Not the request's failure: it waits for a server and loses no try.
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

    def _give_up(self, job: Job, error: PermanentError) -> None:
        self._metrics.failures[error.reason] += 1
        self._done(job, error)

    def _delay(self, tries: int, error: TransientError, url: str) -> float:
        """Seconds until the next try: full jitter on an exponential, and not before the server's Retry-After."""
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

    def _queue_first(self, job: Job) -> None:
        self._waiting.appendleft(job)
        self._pump()

    async def close(self) -> None:
        """Give up everything that is still on its way."""
        self._waiting.clear()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
