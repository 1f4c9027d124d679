"""The servers a client spreads its load over: found, checked for the right model, left out while they are down."""

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

REST_FIRST_S = 1.0
REST_LONGEST_S = 30.0


def default_endpoints() -> list[str]:
    """Return the endpoint named by OPENAI_BASE_URL, if it is set."""
    url = os.environ.get("OPENAI_BASE_URL", "").strip()
    return [url] if url else []


class Endpoint:
    """One server: how many requests it has, and since when and until when it is left out.

    Args:
        url: its base URL. All times are seconds of the event loop's clock.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.in_flight = 0
        self.down_since: float | None = None
        self.next_try = 0.0
        self._rest = REST_FIRST_S

    def available(self, now: float) -> bool:
        """Whether a request may go there: it is up, or it is down and due to be tried."""
        return self.down_since is None or self.next_try <= now

    def take(self, now: float) -> None:
        """Note that a request goes there; if it is down, this one tries it and the next may after a rest."""
        self.in_flight += 1
        if self.down_since is not None:
            self.next_try = now + self._rest
            self._rest = min(REST_LONGEST_S, 2 * self._rest)

    def release(self) -> None:
        """Note that a request that went there is over."""
        self.in_flight -= 1

    def answered(self) -> None:
        """Note that a reply came, so it is up."""
        if self.down_since is not None:
            log.info("%s answers again", self.url)
        self.down_since, self._rest = None, REST_FIRST_S

    def failed(self, error: TransientError, now: float) -> None:
        """Note an error of a request; leave the endpoint out for a while if it cannot be reached."""
        if error.answered:
            self.answered()
        elif error.unreachable and self.down_since is None:
            log.warning("%s is unreachable and left out until it answers again: %s", self.url, error.detail)
            self.down_since, self.next_try = now, now + self._rest


class Endpoints:
    """Chooses the endpoint of each request.

    Args:
        urls: their base URLs.
        outage_s: how long all endpoints may be down before the client gives up, in seconds.
    """

    def __init__(self, urls: Sequence[str], outage_s: float) -> None:
        self.all = [Endpoint(url) for url in urls]
        self._outage_s = outage_s

    async def acquire(self) -> Endpoint:
        """Return the least loaded endpoint that is up; where none is, wait for one.

        Raises:
            InfrastructureError: all have been down for longer than `outage_s`.
        """
        loop = asyncio.get_running_loop()
        while True:
            now = loop.time()
            candidates = [each for each in self.all if each.available(now)]
            if candidates:
                # One that is down gets a single trying request now and then, whatever the load of the others.
                chosen = min(candidates, key=lambda each: (each.down_since is None, each.in_flight))
                chosen.take(now)
                return chosen
            down = [each.down_since for each in self.all if each.down_since is not None]
            if len(down) == len(self.all) and now - max(down) > self._outage_s:
                urls = ", ".join(each.url for each in self.all)
                raise InfrastructureError(f"no server has been reachable for {now - max(down):.0f} s: {urls}")
            await asyncio.sleep(0.05)


async def check_endpoints(endpoints: Endpoints, transport: Transport, model: str, identity: str) -> None:
    """Check that every endpoint that can be reached serves `model`, and that it is `identity` where it says.

    Args:
        endpoints: the endpoints.
        transport: asks them.
        model: the name the model is served under.
        identity: what the model is (checkpoint hash, or hub id and revision).

    Raises:
        ConfigError: an endpoint refuses our key, or serves another model or revision.
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
            log.warning("%s cannot be reached; left out until it answers", endpoint.url)


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
    """Compare what the server says about the model's origin with `identity`, as far as it says anything."""
    stated = card.get("revision")
    root = str(card.get("root") or "")
    if "@" in identity:
        expected = identity.rpartition("@")[2]
        if stated is None and "/snapshots/" in root:
            stated = root.rstrip("/").rpartition("/")[2]
    elif re.fullmatch(r"[0-9a-f]{64}", identity):
        expected = identity
        # A server we can see the disk of: its checkpoint has a card with the hash of its files.
        if stated is None and root and (Path(root) / CARD).exists():
            stated = read_identity(root)
    else:
        log.info("%s serves the model; which revision was not asked for", url)
        return
    if stated is not None and stated != expected:
        raise ConfigError(
            f"{url} serves another revision of the model: expected {expected}, it says {stated}"
        )
    log.info("%s serves the model%s", url, "" if stated else "; it does not say which revision")
