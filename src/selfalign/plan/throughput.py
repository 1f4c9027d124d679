"""Throughput of model servers: measured with requests like those of a run, and used to plan one.

For each number of requests in flight, four rates are measured:

- ``prompt_tokens_per_s``: prompts that share nothing, one completion token each (prefill).
- ``shared_prompt_tokens_per_s``: the same with prompts that differ in their last words, so that a prefix cache has most
  of their tokens; these count in full.
- ``completion_tokens_per_s``: completions of fixed length after short prompts (decode).
- ``shared_completion_tokens_per_s``: completions of the same length after long prompts that differ in their last words.
  The time has both the prompts and the completions.

A stage is planned to take the time of its prompt tokens at the first (or second) rate and that of its completion tokens
at the third: a server that is saturated computes either prompts or completions.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard
from urllib.parse import urlsplit

from selfalign.client import Client, Request, open_client
from selfalign.core.config.serving import ClientConfig
from selfalign.core.energy import metered
from selfalign.core.errors import DataError, InfrastructureError
from selfalign.core.host import host_facts
from selfalign.core.jsonl import read_json

WORDS = ("list", "number", "text", "value", "index", "return", "sum", "first", "last", "key", "count", "sort")
# Words of a short prompt, and those in which the prompts with a shared prefix differ.
SHORT_WORDS = 8
LAST_WORDS = 20
# Least number of requests of a measurement.
LEAST_REQUESTS = 4
LOOPBACK = ("localhost", "127.0.0.1", "::1")
RATES = (
    "prompt_tokens_per_s",
    "shared_prompt_tokens_per_s",
    "completion_tokens_per_s",
    "shared_completion_tokens_per_s",
)


@dataclass(frozen=True)
class Load:
    """Measured rates with a number of requests in flight, in tokens per second of all servers together.

    Attributes:
        in_flight: number of requests in flight, with one sample each.
        prompt_tokens_per_s: prompt tokens that no other prompt shares.
        shared_prompt_tokens_per_s: prompt tokens, most of them shared.
        completion_tokens_per_s: completion tokens after short prompts.
        shared_completion_tokens_per_s: completion tokens after long prompts, most of whose tokens are shared.
        watts: mean power of the machine during these measurements; None: not known.
    """

    in_flight: int
    prompt_tokens_per_s: float
    shared_prompt_tokens_per_s: float
    completion_tokens_per_s: float
    shared_completion_tokens_per_s: float
    watts: float | None = None


@dataclass(frozen=True)
class Pace:
    """Measured throughput of the servers of a planned run.

    Attributes:
        loads: the measured loads, by increasing number of requests in flight; at least one.
        requests: maximum number of requests that the run has in flight.
        shared: the prompts of generation share their prefixes.
        servers: number of servers like the measured one that the run uses at the same time.
    """

    loads: tuple[Load, ...]
    requests: int
    shared: bool = False
    servers: int = 1

    def load(self, samples: int) -> Load:
        """Return the measured load that is nearest below that of requests with `samples` samples; else the smallest.

        Args:
            samples: number of samples per request.
        """
        per_server = self.requests * samples / self.servers
        return [self.loads[0], *(load for load in self.loads if load.in_flight <= per_server)][-1]

    def hours(self, prompt_tokens: float, completion_tokens: float, samples: int, *, shared: bool) -> float:
        """Return the time of requests on all servers together, in hours.

        Args:
            prompt_tokens: tokens of all prompts.
            completion_tokens: tokens of all completions.
            samples: number of samples per request.
            shared: the prompts share their prefixes.
        """
        load = self.load(samples)
        prompt = load.shared_prompt_tokens_per_s if shared else load.prompt_tokens_per_s
        seconds = prompt_tokens / prompt + completion_tokens / load.completion_tokens_per_s
        return seconds / self.servers / 3600

    def power(self, samples: int) -> float | None:
        """Return the power of all servers' machines together, in watts; None if it is not known.

        Args:
            samples: number of samples per request.
        """
        watts = self.load(samples).watts
        return None if watts is None else watts * self.servers


def read_loads(path: str | Path) -> tuple[Load, ...]:
    """Return the loads in a JSON file that :func:`measure` wrote.

    Args:
        path: the file.

    Raises:
        DataError: the file has another layout, or a rate that is not positive.
    """
    value = read_json(path)
    rows = value.get("loads") if isinstance(value, dict) else None
    if not isinstance(rows, list) or not rows:
        raise DataError(
            "expected a list of measured loads, as written by `selfalign plan measure`",
            file=path,
            field="loads",
        )
    loads = []
    for number, row in enumerate(rows, start=1):
        for name in ("in_flight", *RATES):
            found = row.get(name) if isinstance(row, dict) else None
            if not _is_number(found) or found <= 0:
                raise DataError(
                    f"expected a number above 0, found {found!r}", file=path, record=number, field=name
                )
        watts = row.get("watts")
        if watts is not None and (not _is_number(watts) or watts < 0):
            raise DataError(
                f"expected a number of at least 0, or null, found {watts!r}",
                file=path,
                record=number,
                field="watts",
            )
        loads.append(Load(row["in_flight"], *(row[name] for name in RATES), watts=watts))
        if row["in_flight"] in [each.in_flight for each in loads[:-1]]:
            raise DataError(
                f"expected each number of requests once, found {row['in_flight']} twice",
                file=path,
                record=number,
                field="in_flight",
            )
    return tuple(sorted(loads, key=lambda load: load.in_flight))


def _is_number(value: Any) -> TypeGuard[float]:
    """Return whether a JSON value is a finite number that fits a float."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def measure(
    endpoints: Sequence[str],
    model: str,
    *,
    in_flight: Sequence[int],
    prompt_words: int = 600,
    completion_tokens: int = 64,
    watts: float | None = None,
) -> dict[str, Any]:
    """Measure the throughput of servers; return it as a JSON object, with the energy where it can be read.

    The energy is that of this machine, so it is measured only if all servers run on it. Nothing else may run beside the
    measurement.

    Args:
        endpoints: base URLs of the servers.
        model: name under which they serve the model.
        in_flight: numbers of requests in flight to measure.
        prompt_words: length of a long prompt, in words, each one or two tokens; more than 20.
        completion_tokens: length of a completion, in tokens.
        watts: power of the servers' machine, in watts; None: measured.

    Raises:
        ConfigError: an endpoint is wrong, or serves another model.
        InfrastructureError: a request failed, or the server reports no token counts.
    """
    local = all(urlsplit(url).hostname in LOOPBACK for url in endpoints)
    # Other prompts with every call, since the server may have those of an earlier one in its prefix cache.
    generator = random.Random(time.time_ns())
    loads, sources = [], set()
    for number in sorted(set(in_flight)):
        settings = ClientConfig(max_in_flight=number, max_retries=0)
        with open_client(endpoints, model, identity=model, cache=None, settings=settings) as client:
            prompts = _Prompts(generator, max(LEAST_REQUESTS, number), prompt_words)
            # The server prepares for requests of this number and length, and caches the shared prefix.
            _rate(client, prompts.long(), 1, "prompt_tokens")
            _rate(client, prompts.shared(), 1, "prompt_tokens")
            with metered() as meter:
                rates = [
                    _rate(client, prompts.long(), 1, "prompt_tokens"),
                    _rate(client, prompts.shared(), 1, "prompt_tokens"),
                    _rate(client, prompts.short(), completion_tokens, "completion_tokens"),
                    _rate(client, prompts.shared(), completion_tokens, "completion_tokens"),
                ]
                joules = meter.joules() if local else None
                power = joules / meter.seconds if joules is not None else None
        if watts is None and power is not None:
            sources.update(meter.sources)
        known = watts if watts is not None else power
        loads.append(Load(number, *rates, watts=None if known is None else round(known, 1)))
    return {
        "model": model,
        "endpoints": len(endpoints),
        "prompt_words": prompt_words,
        "completion_tokens": completion_tokens,
        "loads": [vars(load) for load in loads],
        "energy": {"sources": ["given"] if watts is not None else sorted(sources)},
        "machine": {key: value for key, value in host_facts().items() if key != "name"} if local else None,
    }


@dataclass(frozen=True)
class _Prompts:
    """Prompts of random words, different ones with every call.

    Attributes:
        generator: generator of the words.
        count: number of prompts.
        words: length of a long prompt, in words.
    """

    generator: random.Random
    count: int
    words: int

    def long(self) -> list[str]:
        """Return long prompts that share nothing."""
        return [self._text(self.words) for _ in range(self.count)]

    def short(self) -> list[str]:
        """Return short prompts."""
        return [self._text(SHORT_WORDS) for _ in range(self.count)]

    def shared(self) -> list[str]:
        """Return long prompts that differ in their last words; the same prefix with every call."""
        prefix = " ".join(random.Random(0).choices(WORDS, k=self.words - LAST_WORDS))
        return [f"{prefix} {self._text(LAST_WORDS)}" for _ in range(self.count)]

    def _text(self, words: int) -> str:
        return " ".join(self.generator.choices(WORDS, k=words))


def _rate(client: Client, prompts: list[str], max_tokens: int, counted: str) -> float:
    """Return the tokens per second of requests, counted by a key of the servers' usage."""
    requests = [
        Request(
            f"request {number}",
            prompt,
            max_tokens,
            0.7,
            seed=number,
            extra={"ignore_eos": True},
            finished=("length", "stop"),
        )
        for number, prompt in enumerate(prompts)
    ]
    tokens, begun = 0, time.monotonic()
    for result in client.complete(requests):
        if result.error is not None:
            raise InfrastructureError(f"{result.request.key}: {result.error}")
        tokens += result.usage.get(counted) or 0
    seconds = time.monotonic() - begun
    if not tokens:
        raise InfrastructureError(
            f"the server reports no token counts (usage.{counted}); its throughput cannot be measured"
        )
    return round(tokens / seconds, 2)
