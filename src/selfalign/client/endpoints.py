"""Endpoints of a client: load balancing, a check that they serve the expected model, exclusion while unreachable."""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

from selfalign.client.transport import Transport
from selfalign.client.types import PermanentError, TransientError
from selfalign.core.checkpoint import CARD, read_identity
from selfalign.core.errors import ConfigError, InfrastructureError

log = logging.getLogger(__name__)

# First and longest interval between attempts to reach an unreachable endpoint, in seconds.
PROBE_FIRST_S = 1.0
PROBE_LONGEST_S = 30.0


def default_endpoints() -> list[str]:
    """Return the base URL in OPENAI_BASE_URL as the only endpoint, or none if it is not set."""
    url = os.environ.get("OPENAI_BASE_URL", "").strip()
    return [url] if url else []


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
    """Selects the endpoint of each request.

    Args:
        urls: base URLs.
        outage_s: longest time for which all endpoints may be unreachable, in seconds.
    """

    def __init__(self, urls: Sequence[str], outage_s: float) -> None:
        self.all = [Endpoint(url) for url in urls]
        self._outage_s = outage_s

    async def acquire(self) -> Endpoint:
        """Return the reachable endpoint with the fewest requests in flight; wait if there is none.

        Raises:
            InfrastructureError: all have been unreachable for longer than `outage_s`.
        """
        loop = asyncio.get_running_loop()
        while True:
            now = loop.time()
            candidates = [each for each in self.all if each.available(now)]
            if candidates:
                # An unreachable endpoint that is due gets one request as a probe, whatever the load of the others.
                chosen = min(candidates, key=lambda each: (each.down_since is None, each.in_flight))
                chosen.take(now)
                return chosen
            down = [each.down_since for each in self.all if each.down_since is not None]
            if len(down) == len(self.all) and now - max(down) > self._outage_s:
                urls = ", ".join(each.url for each in self.all)
                raise InfrastructureError(f"no server has been reachable for {now - max(down):.0f} s: {urls}")
            await asyncio.sleep(0.05)


async def check_endpoints(endpoints: Endpoints, transport: Transport, model: str, identity: str) -> None:
    """Check that every reachable endpoint serves the model, and its revision where the server states one.

    Args:
        endpoints: the endpoints.
        transport: connections to them.
        model: name under which the model is served.
        identity: identity of the model (checkpoint hash, or hub id and revision).

    Raises:
        ConfigError: an endpoint rejects the API key, or serves another model or revision.
        InfrastructureError: no endpoint can be reached.
    """
    for each in endpoints.all:
        if not each.url.startswith(("http://", "https://")):
            raise ConfigError(f"endpoint '{each.url}': expected http://HOST:PORT/v1")
    reached = [await _check(endpoint.url, transport, model, identity) for endpoint in endpoints.all]
    if not any(reached):
        urls = ", ".join(each.url for each in endpoints.all)
        raise InfrastructureError(
            f"no server can be reached at {urls}; start it there, or give another address"
        )
    for endpoint, answered in zip(endpoints.all, reached, strict=True):
        if not answered:
            log.warning("%s is unreachable; excluded until it answers", endpoint.url)


async def _check(url: str, transport: Transport, model: str, identity: str) -> bool:
    """Return whether the server answers."""
    try:
        cards = await transport.models(url)
    except TransientError as error:
        if error.answered:
            log.warning("%s does not list its models (%s); its model is not checked", url, error)
        return error.answered
    except PermanentError as error:
        if error.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise ConfigError(f"{url} refuses the key (OPENAI_API_KEY): {error.detail}") from None
        if error.status == HTTPStatus.NOT_FOUND and not url.endswith("/v1"):
            raise ConfigError(f"{url} is not an OpenAI-compatible address: did you mean {url}/v1?") from None
        log.warning("%s does not list its models (%s); its model is not checked", url, error)
        return True
    if model not in cards:
        raise ConfigError(
            f"{url} does not serve '{model}', it serves {', '.join(cards)}; "
            "give that name (model.name, --model) or another endpoint"
        )
    _check_revision(url, cards[model], identity)
    return True


def _check_revision(url: str, card: dict[str, Any], identity: str) -> None:
    """Compare the revision that the server states, if any, with the expected one."""
    stated = card.get("revision")
    root = str(card.get("root") or "")
    if "@" in identity:
        expected = identity.rpartition("@")[2]
        if stated is None and "/snapshots/" in root:
            stated = root.rstrip("/").rpartition("/")[2]
    elif re.fullmatch(r"[0-9a-f]{64}", identity):
        expected = identity
        # A server on this machine names its checkpoint's directory, which has a file with the hash.
        if stated is None and root and (Path(root) / CARD).exists():
            stated = read_identity(root)
    else:
        log.info("%s serves the model; no revision was specified, so none is checked", url)
        return
    if stated is not None and stated != expected:
        raise ConfigError(
            f"{url} serves another revision of the model: expected {expected}, it says {stated}"
        )
    log.info("%s serves the model%s", url, "" if stated else "; it does not state the revision")
