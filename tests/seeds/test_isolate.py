from __future__ import annotations

import ctypes
import os
import time
from multiprocessing import active_children

from selfalign.seeds.isolate import Done, Failed, run_isolated


def work(item: object) -> object:
    match item:
        case "crash":
            ctypes.string_at(0)
        case "die":
            os._exit(3)
        case "hang":
            time.sleep(600)
        case "raise":
            raise ValueError("bad")
        case "deep":
            raise RecursionError
    return item


def test_only_the_culprits_are_lost_and_order_is_kept():
    items = [*range(40), "crash", "a", "hang", "b", "raise", "die", "deep", *range(5)]
    found = list(run_isolated(work, items, workers=2, timeout_s=4, batch=8))
    assert [item for item, _ in found] == items
    reasons = {item: outcome.reason for item, outcome in found if not isinstance(outcome, Done)}
    assert reasons == {"crash": "crash", "hang": "timeout", "raise": "error", "die": "crash", "deep": "error"}
    assert all(outcome.value == item for item, outcome in found if isinstance(outcome, Done))


def test_nothing_gives_nothing():
    assert list(run_isolated(work, [], workers=2, timeout_s=1)) == []


def test_every_end_is_told_with_its_status():
    found = list(run_isolated(work, ["die", "crash"] * 12, workers=4, timeout_s=60, batch=3))
    assert [(outcome.reason, outcome.detail) for _, outcome in found if isinstance(outcome, Failed)] == [
        ("crash", "the process ended with status 3"),
        ("crash", "the process ended with status -11"),
    ] * 12


def test_a_stopped_consumer_leaves_no_process():
    results = run_isolated(work, range(10**9), workers=2, timeout_s=60, batch=8)
    assert next(results) == (0, Done(0))
    assert active_children()
    results.close()
    assert not active_children()
