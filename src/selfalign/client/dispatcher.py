"""Keep a bounded number of requests in flight, without batch barriers; balance the load, and retry transient errors."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import math
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from selfalign.client.metrics import Metrics
from selfalign.client.transport import Transport
from selfalign.client.types import Answer, PermanentError, Request, TransientError
from selfalign.core.config.serving import ClientConfig
from selfalign.core.errors import InfrastructureError

log = logging.getLogger(__name__)

# Waits requested by a server (Retry-After) of at least this many seconds are logged.
LONG_WAIT_S = 10.0
# First and longest interval between attempts to reach an unreachable endpoint, in seconds.
PROBE_FIRST_S = 1.0
PROBE_LONGEST_S = 30.0
# Maximum requests in flight at one endpoint, as a multiple of the mean over the reachable endpoints.
LOAD_BOUND = 1.25


class Endpoint:
    """State of one endpoint. Times are in seconds of the event loop's clock.

    Args:
        url: its base URL.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.in_flight = 0
        self.down_since: float | None = None
        self.next_try = 0.0
        self._probe_interval_s = PROBE_FIRST_S

    def available(self, now: float) -> bool:
        """Whether it can be sent a request: it is reachable, or due to be probed.

        Args:
            now: the current time.
        """
        return self.down_since is None or self.next_try <= now

    def take(self, now: float) -> None:
        """Record that a request is sent to it; if it is unreachable, the request is the probe.

        Args:
            now: the current time.
        """
        self.in_flight += 1
        if self.down_since is not None:
            self.next_try = now + self._probe_interval_s
            self._probe_interval_s = min(PROBE_LONGEST_S, 2 * self._probe_interval_s)

    def release(self) -> None:
        """Record that a request to it has ended."""
        self.in_flight -= 1

    def answered(self) -> None:
        """Record a reply: it is reachable."""
        if self.down_since is not None:
            log.info("%s is reachable again", self.url)
        self.down_since, self._probe_interval_s = None, PROBE_FIRST_S

    def failed(self, error: TransientError, now: float) -> None:
        """Record a failed request; exclude the endpoint while it is unreachable.

        Args:
            error: the error.
            now: the current time.
        """
        if error.answered:
            self.answered()
        elif error.unreachable and self.down_since is None:
            log.warning("%s is unreachable; excluded until it answers: %s", self.url, error.detail)
            self.down_since, self.next_try = now, now + self._probe_interval_s


class Endpoints:
    """Selects the endpoint of each request, by its prefix and by the load.

    The endpoints are ranked for each prefix by rendezvous hashing (Thaler and Ravishankar, 1998) of their positions in
    the list, so that an endpoint receives the same prefixes whatever its port is, and the prefixes of an unreachable
    endpoint move to others alone. A request goes to the first endpoint that is within the load bound (consistent hashing
    with bounded loads; Mirrokni, Thorup and Zadimoghaddam, 2018), so that a frequent prefix leaves no endpoint idle.

    Args:
        urls: base URLs.
        outage_s: longest time for which all endpoints may be unreachable, in seconds.
    """

    def __init__(self, urls: Sequence[str], outage_s: float) -> None:
        self.all = [Endpoint(url) for url in urls]
        self._outage_s = outage_s

    async def acquire(self, prefix: str) -> Endpoint:
        """Return the endpoint for a request; wait if none is reachable.

        Args:
            prefix: beginning of the prompt, or an identifier of it.

        Raises:
            InfrastructureError: all have been unreachable for longer than `outage_s`.
        """
        loop = asyncio.get_running_loop()
        while True:
            now = loop.time()
            candidates = [each for each in self.all if each.available(now)]
            if candidates:
                # An unreachable endpoint that is due gets one request as a probe, whatever the load of the others.
                due = next((each for each in candidates if each.down_since is not None), None)
                chosen = due or self._preferred(candidates, prefix)
                chosen.take(now)
                return chosen
            down = [each.down_since for each in self.all if each.down_since is not None]
            if len(down) == len(self.all) and now - max(down) > self._outage_s:
                urls = ", ".join(each.url for each in self.all)
                raise InfrastructureError(f"no server has been reachable for {now - max(down):.0f} s: {urls}")
            await asyncio.sleep(0.05)

    def _preferred(self, candidates: Sequence[Endpoint], prefix: str) -> Endpoint:
        """Return the highest-ranked of `candidates` that is within the load bound; there always is one."""
        if len(candidates) == 1:
            return candidates[0]
        in_flight = sum(each.in_flight for each in candidates) + 1
        bound = math.ceil(LOAD_BOUND * in_flight / len(candidates))
        within = [each for each in candidates if each.in_flight < bound]
        hashed = hashlib.blake2b(prefix.encode("utf-8", "surrogatepass"), digest_size=8)

        def rank(endpoint: Endpoint) -> bytes:
            ranked = hashed.copy()
            ranked.update(str(self.all.index(endpoint)).encode())
            return ranked.digest()

        return max(within, key=rank)


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
        endpoint = await self._endpoints.acquire(job.request.prefix or str(job.request.prompt))
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
        requested = error.retry_after or 0.0
        wait = min(requested, longest)
        now = asyncio.get_running_loop().time()
        if (requested > longest or wait >= LONG_WAIT_S) and now >= self._wait_announced_until:
            self._wait_announced_until = now + wait
            limited = (
                f", limited to client.retry_after_longest_s = {longest:g} s" if requested > longest else ""
            )
            log.warning(
                "%s requests a wait of %.0f s (%s: %s)%s", url, requested, error.reason, error.detail, limited
            )
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
