"""Metrics of a client, for the progress display and the metrics file of a job."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# Latencies are counted in bins that grow by a factor of 1.1: percentiles within 10 %, in constant memory.
_BIN = math.log(1.1)
_SERIES_POINTS = 240


@dataclass
class Metrics:
    """Counters of one client; written in its event loop's thread, read in any."""

    requests: int = 0
    answers: int = 0
    from_cache: int = 0
    prompt_tokens_from_cache: int = 0
    completion_tokens_from_cache: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    in_flight: int = 0
    retries: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    started: float = field(default_factory=time.monotonic)
    _latencies: Counter[int] = field(default_factory=Counter)
    _longest: float = 0.0
    _series: list[list[float]] = field(default_factory=list)
    _step_s: float = 5.0

    def answered(self, latency_s: float, usage: Mapping[str, Any]) -> None:
        """Count an answer of a server.

        Args:
            latency_s: time from sending the request, in seconds.
            usage: the server's token counts.
        """
        self.answers += 1
        self.prompt_tokens += usage.get("prompt_tokens") or 0
        self.completion_tokens += usage.get("completion_tokens") or 0
        self.cached_tokens += (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
        self._latencies[round(math.log(max(latency_s, 1e-4)) / _BIN)] += 1
        self._longest = max(self._longest, latency_s)
        self._sample()

    def _sample(self) -> None:
        """Add a point to the throughput series, at most one per step; drop every other point when it gets long."""
        now = time.monotonic() - self.started
        if self._series and now < self._series[-1][0] + self._step_s:
            return
        self._series.append([now, self.answers, self.completion_tokens, self.in_flight])
        if len(self._series) > _SERIES_POINTS:
            self._series = self._series[::2]
            self._step_s *= 2

    def cached(self, usage: Mapping[str, Any]) -> None:
        """Count an answer from the completion cache.

        Args:
            usage: its token counts.
        """
        self.from_cache += 1
        self.prompt_tokens_from_cache += usage.get("prompt_tokens") or 0
        self.completion_tokens_from_cache += usage.get("completion_tokens") or 0

    def percentile(self, share: float) -> float:
        """Return a percentile of the latencies, in seconds, within 10 %.

        Args:
            share: the percentile as a fraction, from 0 to 1.
        """
        wanted, seen = share * sum(self._latencies.values()), 0
        for bin_number in sorted(self._latencies):
            seen += self._latencies[bin_number]
            if seen >= wanted:
                return math.exp(bin_number * _BIN)
        return 0.0

    def to_json(self) -> dict[str, Any]:
        """Return the metrics as a JSON object; rates are per second since the client was opened."""
        elapsed = time.monotonic() - self.started
        return {
            "seconds": round(elapsed, 3),
            "requests": self.requests,
            "answers": self.answers,
            "from_cache": self.from_cache,
            "prompt_tokens_from_cache": self.prompt_tokens_from_cache,
            "completion_tokens_from_cache": self.completion_tokens_from_cache,
            "prompt_tokens": self.prompt_tokens,
            "cached_tokens": self.cached_tokens,
            "completion_tokens": self.completion_tokens,
            "completion_tokens_per_s": round(self.completion_tokens / elapsed, 2),
            "latency_s": {
                **{f"p{p}": round(self.percentile(p / 100), 4) for p in (50, 90, 99)},
                "max": round(self._longest, 4),
            },
            "retries": dict(sorted(self.retries.items())),
            "failures": dict(sorted(self.failures.items())),
            "throughput": [
                {
                    "s": round(after[0], 1),
                    "answers_per_s": round((after[1] - before[1]) / (after[0] - before[0]), 2),
                    "tokens_per_s": round((after[2] - before[2]) / (after[0] - before[0]), 2),
                    "in_flight": after[3],
                }
                for before, after in zip(self._series, self._series[1:], strict=False)
                if after[0] > before[0]
            ],
        }
