"""Requests that failed for good: a drop for the record, and the end of the step where there are too many."""

from __future__ import annotations

import logging

from selfalign.client.types import Result
from selfalign.core.errors import InfrastructureError
from selfalign.core.filtering import Drop

log = logging.getLogger(__name__)

REQUEST_FAILED = "request_failed"
REQUEST_REFUSED = "request_refused"


class Failures:
    """Counts the requests of a step that failed for good.

    A request that the server refuses for what it says (its prompt is too long) costs its own record alone; if all are
    refused, it is the settings that are wrong. Any other failure is the server's, of which few are borne.

    Args:
        step: name of the step, for messages.
        allowed_share: the step fails if a larger share of its requests failed, refusals aside.
    """

    def __init__(self, step: str, allowed_share: float) -> None:
        self._step = step
        self._allowed_share = allowed_share
        self._failed: list[str] = []
        self._refused: list[str] = []

    def note(self, result: Result) -> Drop:
        """Log and count the failure of `result`; return why its record is dropped."""
        (self._refused if result.refused else self._failed).append(f"{result.request.key}: {result.error}")
        if result.refused:
            log.warning("%s: dropped, the server refuses the request: %s", result.request.key, result.error)
            return Drop(REQUEST_REFUSED, result.error)
        log.error("%s: the request failed for good: %s", result.request.key, result.error)
        return Drop(REQUEST_FAILED, result.error)

    def check(self, total: int) -> None:
        """Stop the step once it is certain to fail; what is cached stays.

        Args:
            total: requests of the step, those to come included.

        Raises:
            InfrastructureError: too many requests failed, or all were refused.
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
