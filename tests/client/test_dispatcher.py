"""The limit of requests in flight against models of servers, and the choice of the endpoint."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
import random

import pytest

from selfalign.client.dispatcher import Endpoints, InFlightLimit
from selfalign.client.types import TransientError


def simulate(limit, slots, seconds, *, queue=10_000, service_s=1.0):
    """Keep `limit.value` requests at a server of `slots` places; refuse those beyond its queue.

    Returns the answers per second of the last half, and the limits it had then.
    """
    lengths = random.Random(1)
    now, order = 0.0, itertools.count()
    running: list[tuple[float, int, float]] = []
    waiting: list[float] = []
    answers, limits = 0, []
    while now < seconds:
        while len(running) + len(waiting) < limit.value:
            if len(running) < slots:
                heapq.heappush(running, (now + service_s * lengths.uniform(0.5, 1.5), next(order), now))
            elif len(waiting) < queue:
                waiting.append(now)
            else:
                limit.overloaded(now, now + 0.01)
                break
        now, _, _ = heapq.heappop(running)
        if waiting:
            sent = waiting.pop(0)
            heapq.heappush(running, (now + service_s * lengths.uniform(0.5, 1.5), next(order), sent))
        limit.answered()
        if now > seconds / 2:
            answers += 1
            limits.append(limit.value)
    return answers / (seconds / 2), limits


@pytest.mark.parametrize("slots", [16, 64, 200])
def test_a_server_that_queues_is_saturated_and_the_limit_is_the_configured_number(slots):
    rate, limits = simulate(InFlightLimit(512), slots, 120)
    assert rate > 0.98 * slots
    assert set(limits) == {512}


def test_it_backs_off_once_for_requests_in_flight_together():
    limit = InFlightLimit(100)
    for _ in range(50):
        limit.overloaded(sent_at=1.0, now=2.0)
    assert limit.value == 70
    limit.overloaded(sent_at=2.5, now=3.0)
    assert limit.value == 49


def test_it_keeps_one_place_and_comes_back_to_the_configured_number():
    limit = InFlightLimit(20)
    for moment in range(100):
        limit.overloaded(moment + 0.5, moment + 1)
    assert limit.value == 1
    for _ in range(400):
        limit.answered()
    assert limit.value == 20


@pytest.mark.parametrize(("slots", "queue"), [(32, 8), (64, 0), (64, 64)])
def test_a_server_that_turns_requests_away_stays_busy_and_is_not_flooded(slots, queue):
    rate, limits = simulate(InFlightLimit(512), slots, 300, queue=queue)
    assert rate > 0.8 * slots
    assert max(limits) <= slots + queue + 1


def ports(first, count):
    return [f"http://127.0.0.1:{first + number}/v1" for number in range(count)]


async def test_an_endpoint_receives_the_same_prefixes_whatever_its_port_is():
    prefixes = [f"prefix {number}" for number in range(300)]
    choices = []
    for first in (5000, 6000):
        endpoints = Endpoints(ports(first, 3), 10)
        chosen = []
        for prefix in prefixes:
            endpoint = await endpoints.acquire(prefix)
            chosen.append(endpoints.all.index(endpoint))
            endpoint.release()
        choices.append(chosen)
    assert choices[0] == choices[1]
    assert all(70 < choices[0].count(number) < 130 for number in range(3))


async def test_only_the_prefixes_of_an_unreachable_endpoint_move():
    endpoints = Endpoints(ports(5000, 4), 10)

    async def placed():
        found = []
        for number in range(100):
            found.append(await endpoints.acquire(f"prefix {number}"))
            found[-1].release()
        return found

    before = await placed()
    gone = endpoints.all[2]
    gone.failed(TransientError("unreachable", unreachable=True), asyncio.get_running_loop().time())
    after = await placed()
    assert gone in before
    assert gone not in after
    assert [new for new, old in zip(after, before, strict=True) if old is not gone] == [
        old for old in before if old is not gone
    ]


async def test_a_frequent_prefix_uses_all_endpoints_within_the_load_bound():
    endpoints = Endpoints(ports(5000, 4), 10)
    for sent in range(1, 101):
        await endpoints.acquire("the same")
        assert max(each.in_flight for each in endpoints.all) <= math.ceil(1.25 * sent / 4)
    assert sum(each.in_flight for each in endpoints.all) == 100
    assert min(each.in_flight for each in endpoints.all) > 0
