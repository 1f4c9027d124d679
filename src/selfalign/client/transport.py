"""Requests to one endpoint through the `openai` package, and the classification of replies and errors.

The package's own retries are off: the dispatcher decides when and where a request is sent again. Its aiohttp
backend takes half the CPU time of its default backend with 64 requests in flight, and a sixth with 512.
"""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import json
import os
import time
from collections.abc import Iterator
from typing import Any

import aiohttp
import httpx2
import openai

from selfalign.client.types import Answer, PermanentError, Request, TransientError
from selfalign.core.config.serving import ClientConfig
from selfalign.core.errors import ConfigError

CONNECT_TIMEOUT_S = 30.0
LIST_TIMEOUT_S = 30.0
# Statuses below 500 that are transient.
TRANSIENT_STATUSES = frozenset({408, 409, 425, 429})
OVERLOAD_STATUSES = frozenset({429, 503})
# Statuses with which a server rejects the content of one request; others (401, 404) concern every request.
REFUSAL_STATUSES = frozenset({400, 413, 422})
# No proxy for servers on this machine, whatever HTTP_PROXY is.
NO_PROXY = {f"all://{host}": None for host in ("localhost", "127.0.0.1", "[::1]")}
# The package requires an API key; a server that needs none ignores this one.
NO_KEY = "EMPTY"


class Transport:
    """Connections to all endpoints; created and used inside one event loop.

    The API key and the other values that the package reads from OPENAI_* variables are sent as headers only.

    Args:
        model: name under which the model is served.
        settings: the client's settings.
    """

    def __init__(self, model: str, settings: ClientConfig) -> None:
        self._model = model
        self._timeout_s = settings.timeout_s
        self._clients: dict[str, openai.AsyncOpenAI] = {}
        self._client = openai.AsyncOpenAI(
            base_url="http://localhost",  # each endpoint has a copy of the client with its own URL
            api_key=os.environ.get("OPENAI_API_KEY") or NO_KEY,
            max_retries=0,
            default_headers=settings.headers,
            http_client=openai.DefaultAioHttpClient(
                timeout=httpx2.Timeout(
                    settings.timeout_s, connect=min(CONNECT_TIMEOUT_S, settings.timeout_s)
                ),
                limits=httpx2.Limits(max_connections=settings.max_in_flight, keepalive_expiry=30),
                mounts=NO_PROXY,
            ),
        )

    async def complete(self, endpoint: str, request: Request) -> Answer:
        """Send a request to the completions API.

        Args:
            endpoint: base URL.
            request: the request.

        Raises:
            TransientError: a retry may succeed.
            PermanentError: a retry would fail too.
            ConfigError: `endpoint` is no URL.
        """
        body = request.body()
        create = self._at(endpoint).completions.with_raw_response.create
        with _typed_errors():
            # The package limits the time between two reads; this limits that of the request.
            async with asyncio.timeout(self._timeout_s):
                reply = await create(model=self._model, prompt=body.pop("prompt"), extra_body=body)
        return _read_answer(reply.content, request)

    async def models(self, endpoint: str) -> dict[str, dict[str, Any]]:
        """Return the entries of the server's list of models, by name.

        Args:
            endpoint: base URL.

        Raises:
            TransientError: it does not answer.
            PermanentError: it does not list its models.
            ConfigError: `endpoint` is no URL.
        """
        with _typed_errors():
            async with asyncio.timeout(LIST_TIMEOUT_S):
                reply = await self._at(endpoint).models.with_raw_response.list()
        try:
            return {card["id"]: card for card in json.loads(reply.content)["data"]}
        except (ValueError, KeyError, TypeError):
            raise PermanentError("malformed_answer", _beginning(reply.content)) from None

    def _at(self, endpoint: str) -> openai.AsyncOpenAI:
        if endpoint not in self._clients:
            try:
                self._clients[endpoint] = self._client.copy(base_url=endpoint)
            except httpx2.InvalidURL as error:
                raise ConfigError(f"endpoint '{endpoint}': expected http://HOST:PORT/v1 ({error})") from None
        return self._clients[endpoint]

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()


@contextlib.contextmanager
def _typed_errors() -> Iterator[None]:
    """Turn the package's errors into transient and permanent ones."""
    try:
        yield
    except UnicodeEncodeError as error:
        # An unpaired surrogate cannot be encoded in UTF-8, so not in JSON.
        message = f"the request has an unpaired surrogate at position {error.start}; expected Unicode text"
        raise PermanentError("invalid_text", message, refused=True) from None
    except openai.APIStatusError as error:
        raise _status_error(error) from None
    except (openai.APIConnectionError, aiohttp.ClientError, OSError) as error:
        raise _connection_error(error) from None


def _status_error(error: openai.APIStatusError) -> TransientError | PermanentError:
    # By the status, not the `code` in the body: the package converts that to text, and not every server sends it.
    status, reason = error.status_code, f"http_{error.status_code}"
    detail = error_message(error.response.content)
    # An exhausted quota does not recover by waiting.
    if error.code != "insufficient_quota" and (status in TRANSIENT_STATUSES or status >= 500):
        return TransientError(
            reason,
            detail,
            retry_after=retry_after(error.response.headers.get("Retry-After")),
            overload=status in OVERLOAD_STATUSES,
            answered=True,
        )
    return PermanentError(reason, detail, status=status, refused=status in REFUSAL_STATUSES)


def _connection_error(error: BaseException) -> TransientError:
    """Classify a connection error: the endpoint is unreachable, a time-out, or a broken connection.

    The chain of causes decides, since the package's aiohttp backend reports all three as connect time-outs.
    """
    causes: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None:
        causes.append(cause)
        cause = cause.__cause__ or cause.__context__
    unreachable = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, httpx2.UnsupportedProtocol)
    for each in causes:
        if isinstance(each, unreachable):
            return TransientError("unreachable", str(each), unreachable=True)
    if any(isinstance(each, TimeoutError | httpx2.ReadTimeout) for each in causes):
        return TransientError("timeout", overload=True)
    broken = next((each for each in causes if isinstance(each, aiohttp.ClientError)), causes[-1])
    return TransientError("connection", f"{type(broken).__name__}: {broken}")


def _read_answer(body: bytes, request: Request) -> Answer:
    """Return the answer in a reply with status 200.

    Raises:
        TransientError: the answer is malformed, or a sample is incomplete.
        PermanentError: the server's content filter withheld a sample.
    """
    try:
        value = json.loads(body)
    except ValueError:
        raise TransientError("invalid_json", _beginning(body), answered=True) from None
    try:
        found = sorted(value["choices"], key=lambda choice: choice.get("index", 0))
        choices = [
            {"text": c["text"], "finish_reason": c["finish_reason"], "logprobs": c.get("logprobs")}
            for c in found
        ]
        usage = dict(value.get("usage") or {})
    except (KeyError, TypeError, AttributeError, ValueError):
        raise TransientError("malformed_answer", _beginning(body), answered=True) from None
    if len(choices) != request.n or not all(isinstance(c["text"], str) for c in choices):
        detail = f"expected {request.n} choices, found {len(choices)}"
        raise TransientError("missing_choices", detail, answered=True)
    reasons = [choice["finish_reason"] for choice in choices]
    if "content_filter" in reasons:
        raise PermanentError(
            "content_filter", "the server's content filter withheld the completion", refused=True
        )
    if other := [reason for reason in reasons if reason not in request.finished]:
        raise TransientError(
            "unfinished", f"the completion is incomplete (finish_reason {other[0]!r})", answered=True
        )
    return Answer(choices, usage)


def error_message(body: bytes) -> str:
    """Return the message in an error body of a common layout, or the beginning of the body.

    Args:
        body: body of the reply.
    """
    try:
        value = json.loads(body)
        error = value.get("error", value)
        return str(error.get("message", error) if isinstance(error, dict) else error)[:500]
    except (ValueError, AttributeError):
        return _beginning(body, 200).strip()


def retry_after(header: str | None) -> float | None:
    """Return the seconds that a ``Retry-After`` header requests (RFC 9110, 10.2.3), or None.

    Args:
        header: value of the header, a number or a date; None if it is absent.
    """
    if header is None:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(header).timestamp() - time.time())
    except (TypeError, ValueError):
        return None


def _beginning(body: bytes, length: int = 80) -> str:
    return body[:length].decode(errors="replace")
