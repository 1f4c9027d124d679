"""How long the test server takes: a model of a batching server.

A request waits for one of `slots` places, then takes its prompt's time and the time of its longest sample,
token by token, whatever else runs (decoding a batch costs about the same as decoding one sequence).
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
    """Long-tailed lengths of answers: log-normal, cut at `most`. All in tokens.

    Attributes:
        median: half of the answers are shorter.
        sigma: standard deviation of the logarithm.
    """

    median: float
    sigma: float
    most: int

    def draw(self, body: bytes, sample: int) -> int:
        """Return the length of a sample: a function of the request and nothing else."""
        digest = hashlib.sha256(body + sample.to_bytes(2, "big")).digest()
        share = (int.from_bytes(digest[:7], "big") + 0.5) / 2**56
        return min(self.most, max(1, round(self.median * math.exp(self.sigma * _NORMAL.inv_cdf(share)))))


class Pace:
    """Makes requests take their time.

    Args:
        slots: sequences computed at once.
        token_s: time of one generated token, in seconds.
        prompt_token_s: time of one prompt token, in seconds.
    """

    def __init__(self, slots: int, token_s: float, prompt_token_s: float = 0.0) -> None:
        self._slots = asyncio.Semaphore(slots)
        self._token_s = token_s
        self._prompt_token_s = prompt_token_s
        self.busy_s = 0.0

    async def wait(self, prompt_tokens: int, samples: list[int]) -> None:
        """Wait as long as the request takes; `samples` are the lengths of its samples."""
        async with self._slots:
            seconds = prompt_tokens * self._prompt_token_s + max(samples) * self._token_s
            self.busy_s += seconds
            await asyncio.sleep(seconds)
