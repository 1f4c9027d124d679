"""Faults of the test server, which depend on the content of a request and on how often it was received."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter

from aiohttp import web

KINDS = (
    "rate_limit",  # 429 with Retry-After
    "server_error",  # 500
    "reset",  # the connection is reset before an answer
    "half",  # half of the answer, then the connection ends
    "stall",  # no answer for a long time
    "no_choices",  # an empty list of choices
    "invalid_json",  # a body that is not JSON
)


class Faults:
    """Chooses the fault of each request.

    Args:
        rates: share of requests by kind of fault.
        retry_after_s: Retry-After of status 429, in seconds.
        stall_s: duration of a stalled request, in seconds.
    """

    def __init__(self, rates: dict[str, float], retry_after_s: float = 0.05, stall_s: float = 60.0) -> None:
        unknown = set(rates) - set(KINDS)
        if unknown:
            raise ValueError(f"unknown fault {', '.join(sorted(unknown))}; there are {', '.join(KINDS)}")
        self._rates = rates
        self._retry_after_s = retry_after_s
        self._stall_s = stall_s
        self._times: Counter[bytes] = Counter()

    def choose(self, body: bytes) -> str | None:
        """Return the fault of a request, or None; it is drawn anew for each repetition of the same body."""
        if not self._rates:
            return None
        name = hashlib.sha256(body).digest()
        self._times[name] += 1
        draw = hashlib.sha256(name + self._times[name].to_bytes(4, "big")).digest()
        number = int.from_bytes(draw[:8], "big") / 2**64
        for kind, rate in self._rates.items():
            if number < rate:
                return kind
            number -= rate
        return None

    async def reply(self, kind: str, request: web.BaseRequest, good: bytes) -> web.StreamResponse:
        """Respond to `request` with the fault `kind`; `good` is the body of the response without a fault."""
        if kind == "rate_limit":
            headers = {"Retry-After": f"{self._retry_after_s:g}"}
            return web.Response(status=429, headers=headers, text='{"error": {"message": "slow down"}}')
        if kind == "server_error":
            return web.Response(status=500, text='{"error": {"message": "out of luck"}}')
        if kind == "no_choices":
            return web.json_response({"choices": [], "usage": {}})
        if kind == "invalid_json":
            return web.Response(body=good[: len(good) // 2], content_type="application/json")
        if kind == "stall":
            await asyncio.sleep(self._stall_s)
        if kind == "half":
            response = web.StreamResponse(headers={"Content-Length": str(len(good))})
            await response.prepare(request)
            await response.write(good[: len(good) // 2])
        _abort(request)
        return web.Response(body=good)


def _abort(request: web.BaseRequest) -> None:
    """Abort the connection, as a crashed server does."""
    if request.transport is not None:
        request.transport.abort()
