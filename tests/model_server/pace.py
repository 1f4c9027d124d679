"""Simulated latency of the test server: a model of a server with batching.

A request waits for one of `slots` slots. It then takes the time of its prompt and of its longest sample, whatever else is
running, since decoding a batch takes about as long as decoding one sequence.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
from dataclasses import dataclass
from statistics import NormalDist

_NORMAL = NormalDist()


@dataclass(frozen=True)
class Lengths:
    """Distribution of completion lengths: log-normal, limited to `most`. All in tokens.

    Attributes:
        median: median length.
        sigma: standard deviation of the logarithm.
        most: maximum length.
    """

    median: float
    sigma: float
    most: int

    def draw(self, body: bytes, sample: int) -> int:
        """Return the length of a sample, which depends only on the request and the number of the sample."""
        digest = hashlib.sha256(body + sample.to_bytes(2, "big")).digest()
        share = (int.from_bytes(digest[:7], "big") + 0.5) / 2**56
        return min(self.most, max(1, round(self.median * math.exp(self.sigma * _NORMAL.inv_cdf(share)))))


class Pace:
    """Delays requests.

    Args:
        slots: number of concurrent sequences.
        token_s: time of one generated token, in seconds.
        prompt_token_s: time of one prompt token, in seconds.
    """

    def __init__(self, slots: int, token_s: float, prompt_token_s: float = 0.0) -> None:
        self._slots = asyncio.Semaphore(slots)
        self._token_s = token_s
        self._prompt_token_s = prompt_token_s
        self.busy_s = 0.0

    async def wait(self, prompt_tokens: int, samples: list[int]) -> None:
        """Wait for the duration of a request whose samples have the lengths `samples`."""
        async with self._slots:
            seconds = prompt_tokens * self._prompt_token_s + max(samples) * self._token_s
            self.busy_s += seconds
            await asyncio.sleep(seconds)
