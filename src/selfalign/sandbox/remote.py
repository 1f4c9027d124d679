"""Slots on another host: the client of :mod:`selfalign.sandbox.server`."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace

import httpx

from selfalign.core.config.execution import BUILD
from selfalign.core.errors import ConfigError
from selfalign.sandbox.slot import GRACE_S, SlotDied
from selfalign.sandbox.types import STATUSES, Limits, Program, Verdict

# A secret, so it is neither in the configuration nor on a command line.
TOKEN_VARIABLE = "SELFALIGN_SANDBOX_TOKEN"
CONNECT_S = 10.0
# How long a full server is waited for.
PATIENCE_S = 600.0


def check_token(token: str, expected: str) -> None:
    """Check that a text can be sent as a token.

    Args:
        token: the text.
        expected: message for an unusable one.

    Raises:
        ConfigError: it is empty, or has characters other than visible ASCII characters.
    """
    if not re.fullmatch(r"[!-~]+", token):
        detail = " (visible ASCII characters, no spaces)" if token else ""
        raise ConfigError(f"{expected}{detail}")


class RemoteSlot:
    """One connection to a server. Not for use by several threads at once.

    Args:
        address: the server's.
        most: limits that no program exceeds in memory and processes.
        environment: identity of the environment that programs need
            (:attr:`~selfalign.program_environments.ProgramEnvironment.identity`).
        processor: kept for what replaces this; the server's own slots share out the server's.

    Attributes:
        runtime: the server's.
        image: the server's.
        environment: as given.

    Raises:
        ConfigError: there is no token, or the server allows programs less than `most` or has another environment.
        SlotDied: the server does not answer, or refuses.
    """

    def __init__(
        self, address: str, most: Limits, environment: str = BUILD, processor: int | None = None
    ) -> None:
        self.processor = processor
        self.environment = environment
        token = os.environ.get(TOKEN_VARIABLE, "")
        check_token(
            token,
            f"a sandbox on another host needs its token: set {TOKEN_VARIABLE} to the one it was started with",
        )
        self._client = httpx.Client(base_url=address, headers={"Authorization": f"Bearer {token}"})
        facts = self._ask("GET", "/", CONNECT_S).json()
        allowed = replace(most, memory_mb=facts["memory_mb"], processes=facts["processes"])
        if not most.within(allowed):
            raise ConfigError(
                f"the sandbox at {address} allows a program {allowed.memory_mb} MiB and {allowed.processes} processes, "
                f"and {most.memory_mb} MiB and {most.processes} are wanted: serve it with --memory-mb and --processes"
            )
        if facts["environment"] != environment:
            raise ConfigError(
                f"the sandbox at {address} runs programs in the environment {facts['environment']}, expected "
                f"{environment}: install it there (selfalign sandbox install) and serve it with --environment"
            )
        self.runtime: str = facts["runtime"]
        self.image: str = facts["image"]

    def run_many(
        self,
        programs: Sequence[tuple[Program, Limits]],
        *,
        apart: bool = False,  # noqa: ARG002 - the signature of Slot.run_many
    ) -> Iterator[Verdict]:
        """Run programs one after the other; wait while the server's queue is full.

        Args:
            programs: each with its limits.
            apart: without meaning here: the server tries again by itself.

        Raises:
            SlotDied: the server is gone, or has no verdict.
        """
        for program, limits in programs:
            yield self._run(program, limits)

    def _run(self, program: Program, limits: Limits) -> Verdict:
        request = {**asdict(program), "limits": asdict(limits)}
        until = time.monotonic() + PATIENCE_S
        while True:
            # It may wait for as many others as the queue holds.
            answer = self._ask("POST", "/run", PATIENCE_S + limits.wall_s + GRACE_S, request)
            if answer.status_code == httpx.codes.OK:
                return self._verdict(answer, program)
            if time.monotonic() > until:
                raise SlotDied(f"the sandbox at {self._client.base_url} stayed full for {PATIENCE_S:.0f} s")
            time.sleep(float(answer.headers.get("Retry-After", 1)))

    def _verdict(self, answer: httpx.Response, program: Program) -> Verdict:
        """Return the verdict in an answer, which must be that of `program`."""
        try:
            verdict = Verdict(**answer.json())
        except (ValueError, TypeError) as error:
            raise SlotDied(f"the sandbox at {self._client.base_url}: expected a verdict: {error}") from None
        if verdict.key != program.key or verdict.status not in STATUSES:
            raise SlotDied(
                f"the sandbox at {self._client.base_url}: expected the verdict of {program.key}, "
                f"found {verdict.status!r} of {verdict.key!r}"
            )
        return verdict

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def kill(self) -> None:
        """Close the connection; the server then abandons the program that it runs."""
        self.close()

    def _ask(self, method: str, path: str, timeout: float, content: object = None) -> httpx.Response:
        limits = httpx.Timeout(timeout, connect=CONNECT_S)
        try:
            answer = self._client.request(method, path, json=content, timeout=limits)
        except httpx.HTTPError as error:
            raise SlotDied(
                f"the sandbox at {self._client.base_url}: {error or type(error).__name__}"
            ) from None
        if answer.status_code in (httpx.codes.OK, httpx.codes.SERVICE_UNAVAILABLE):
            return answer
        raise SlotDied(
            f"the sandbox at {self._client.base_url} answers {answer.status_code}: {answer.text[:200]}"
        )
