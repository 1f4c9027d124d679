"""Is it the right model? Asked of every endpoint before the first request."""

from __future__ import annotations

import logging
import re
from http import HTTPStatus
from pathlib import Path
from typing import Any

from selfalign.client.endpoints import Endpoint, Endpoints
from selfalign.client.replies import error_message
from selfalign.client.transport import Transport
from selfalign.core.checkpoint import CARD, read_identity
from selfalign.core.errors import ConfigError, InfrastructureError

log = logging.getLogger(__name__)


async def check_endpoints(endpoints: Endpoints, transport: Transport, model: str, identity: str) -> None:
    """Check that every endpoint that can be reached serves `model`, and that it is `identity` where it says.

    Raises:
        ConfigError: an endpoint refuses our key, or serves another model or revision.
        InfrastructureError: no endpoint can be reached.
    """
    for each in endpoints.all:
        if not each.url.startswith(("http://", "https://")):
            raise ConfigError(f"endpoint '{each.url}': expected http://HOST:PORT/v1")
    reached = [await _check(endpoint, transport, model, identity) for endpoint in endpoints.all]
    if not any(reached):
        urls = ", ".join(each.url for each in endpoints.all)
        raise InfrastructureError(
            f"no server can be reached at {urls}; start it there, or give another address"
        )
    for endpoint, answered in zip(endpoints.all, reached, strict=True):
        if not answered:
            log.warning("%s cannot be reached; left out until it answers", endpoint.url)


async def _check(endpoint: Endpoint, transport: Transport, model: str, identity: str) -> bool:
    reply = await transport.get(f"{endpoint.url}/models")
    if reply is None:
        return False
    status, body, value = reply
    if status in (401, 403):
        raise ConfigError(f"{endpoint.url} refuses the key (OPENAI_API_KEY): {error_message(body)}")
    try:
        cards = {card["id"]: card for card in value["data"]}
    except (KeyError, TypeError):
        if status == HTTPStatus.NOT_FOUND and not endpoint.url.endswith("/v1"):
            raise ConfigError(
                f"{endpoint.url} is not an OpenAI-compatible address: did you mean {endpoint.url}/v1?"
            ) from None
        log.warning("%s does not list its models (status %d); its model is not checked", endpoint.url, status)
        return True
    if model not in cards:
        raise ConfigError(
            f"{endpoint.url} does not serve '{model}', it serves {', '.join(cards)}; "
            "give that name (model.name, --model) or another endpoint"
        )
    _check_revision(endpoint.url, cards[model], identity)
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
