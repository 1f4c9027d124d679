"""The sandbox as scoring uses it."""

from __future__ import annotations

from contextlib import AbstractContextManager

from selfalign.evaluate.harness import MOST, contest, evalplus_check, oracle, script, warm_up
from selfalign.sandbox import Pool, open_pool


def open_scoring_pool(runtime: str = "auto", workers: int | None = None) -> AbstractContextManager[Pool]:
    """Return a context manager of a pool with room for every benchmark's programs, their harnesses loaded.

    See :func:`~selfalign.sandbox.open_pool` for the arguments and what is raised.
    """
    return open_pool(
        runtime, workers=workers, most=MOST, warm=warm_up(evalplus_check, oracle, contest, script)
    )
