"""Requests that failed permanently: each drops its record, and too many fail the step."""

from __future__ import annotations

import logging

from selfalign.client.types import Result
from selfalign.core.errors import InfrastructureError
from selfalign.core.filtering import Drop

log = logging.getLogger(__name__)

REQUEST_FAILED = "request_failed"
REQUEST_REFUSED = "request_refused"


class Failures:
    """Counts the requests of a step that failed permanently.

    A request that the server rejects for its content (such as a prompt that is too long) only drops its record; if all
    are rejected, the settings are wrong. Other failures are the server's; only a small share of them is tolerated.

    Args:
        step: name of the step, for messages.
        allowed_share: largest share of the step's requests that may fail, not counting rejected ones.
    """

    def __init__(self, step: str, allowed_share: float) -> None:
        self._step = step
        self._allowed_share = allowed_share
        self._failed: list[str] = []
        self._refused: list[str] = []

    def note(self, result: Result) -> Drop:
        """Log and count a failure; return the drop of its record.

        Args:
            result: a result with an error.
        """
        (self._refused if result.refused else self._failed).append(f"{result.request.key}: {result.error}")
        if result.refused:
            log.warning("%s: dropped, the server refuses the request: %s", result.request.key, result.error)
            return Drop(REQUEST_REFUSED, result.error)
        log.error("%s: the request failed for good: %s", result.request.key, result.error)
        return Drop(REQUEST_FAILED, result.error)

    def check(self, total: int) -> None:
        """Stop the step as soon as it is certain to fail; completions stay cached.

        Args:
            total: number of requests of the step, including those not yet sent.

        Raises:
            InfrastructureError: too many requests failed, or all were rejected.
        """
        if len(self._failed) > self._allowed_share * total:
            raise InfrastructureError(
                f"{self._step}: {len(self._failed)} of {total} requests failed for good so far, more than "
                f"client.max_failed_share = {self._allowed_share:g} allows; the first: {self._failed[0]}"
            )
        if self._refused and len(self._refused) == total:
            raise InfrastructureError(
                f"{self._step}: the server refuses all {total} requests; the first: {self._refused[0]}"
            )
