"""Requests to a server, their results, and transient and permanent errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# Finish reasons of a complete sample: a stop string or the end of the text ("eos_token" in text-generation-inference),
# or `max_tokens`. With any other reason, or none, the sample is incomplete.
FINISHED = ("stop", "eos_token", "length")
# Maximum number of stop strings in one request of the completions API.
MAX_SERVER_STOPS = 4


@dataclass(frozen=True, slots=True)
class Request:
    """One request to the completions endpoint.

    Attributes:
        key: name of the record in messages ("record 7"); not part of the completion key.
        prompt: text to complete, or its token ids.
        max_tokens: maximum length of an answer, in tokens.
        temperature: sampling temperature; 0 is greedy.
        n: number of samples.
        seed: the server's sampling seed.
        stop: stop strings; an answer ends before the first of them. The server is sent the first four (the limit of
            the API), and answers are cut at the others here.
        logprobs: number of log probabilities to return per token.
        extra: additional fields of the request body.
        prefix: identifies the beginning of the prompt that other requests have too; requests with equal prefixes are sent
            to the same endpoint while the load permits. Empty: the whole prompt. Not part of the completion key.
        finished: finish reasons of complete answers; an answer with any other reason is rejected, whether it comes
            from a server or from the completion cache. Not part of the completion key.
    """

    key: str
    prompt: str | tuple[int, ...]
    max_tokens: int
    temperature: float = 0.0
    n: int = 1
    seed: int | None = None
    stop: tuple[str, ...] = ()
    logprobs: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    finished: tuple[str, ...] = FINISHED
    prefix: str = ""

    def body(self) -> dict[str, Any]:
        """Return the body of the request to the completions endpoint, without the model's name."""
        body: dict[str, Any] = {
            "prompt": self.prompt if isinstance(self.prompt, str) else list(self.prompt),
            "max_tokens": self.max_tokens,
            "temperature": self.temperature,
            "n": self.n,
        }
        if self.seed is not None:
            body["seed"] = self.seed
        if self.stop:
            body["stop"] = list(self.stop[:MAX_SERVER_STOPS])
        if self.logprobs is not None:
            body["logprobs"] = self.logprobs
        return {**body, **self.extra}

    def cut(self, text: str) -> str:
        """Return a text up to its first stop string; the server may not know all of them.

        Args:
            text: a sample.
        """
        ends = [position for stop in self.stop if (position := text.find(stop)) >= 0]
        return text[: min(ends)] if ends else text


@dataclass(frozen=True, slots=True)
class Choice:
    """One sample.

    Attributes:
        text: the sample, cut at the request's stop strings.
        finish_reason: why it ended: "stop", "length", …
        logprobs: log probabilities as returned by the server, if requested.
    """

    text: str
    finish_reason: str
    logprobs: Any | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a request.

    Attributes:
        request: the request.
        choices: `request.n` samples in the server's order; empty if `error` is set.
        usage: the server's token counts.
        error: why the request failed permanently; None if it did not.
        refused: the server rejects this request for its content (such as a prompt that is too long).
    """

    request: Request
    choices: tuple[Choice, ...]
    usage: Mapping[str, Any]
    error: str | None = None
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete, well-formed answer of a server.

    Attributes:
        choices: ``{"text", "finish_reason", "logprobs"}`` each, in the order of their index.
        usage: the server's token counts.
    """

    choices: list[dict[str, Any]]
    usage: dict[str, Any]


class TransientError(Exception):
    """The request failed; a retry may succeed.

    Args:
        reason: short stable name, counted in the metrics.
        detail: message of the server or the operating system.
        retry_after: seconds to wait that the server requested, or None.
        overload: the server is overloaded.
        unreachable: no connection to the endpoint could be made.
        answered: the endpoint sent a reply, so it is reachable.
    """

    def __init__(
        self,
        reason: str,
        detail: str = "",
        *,
        retry_after: float | None = None,
        overload: bool = False,
        unreachable: bool = False,
        answered: bool = False,
    ) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.retry_after = retry_after
        self.overload = overload
        self.unreachable = unreachable
        self.answered = answered


class PermanentError(Exception):
    """The request failed; a retry would fail too.

    Args:
        reason: short stable name, counted in the metrics.
        detail: message of the server.
        status: HTTP status; None if the error is not an HTTP status.
        refused: the server rejects this request for its content; others may succeed.
    """

    def __init__(self, reason: str, detail: str, *, status: int | None = None, refused: bool = False) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.status = status
        self.refused = refused
