"""Client: takes an iterator of requests, and returns an iterator of their results in the same order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path
from typing import Any

from selfalign.client.dispatcher import Dispatcher, Endpoints, PendingRequest
from selfalign.client.metrics import Metrics
from selfalign.client.transport import Transport
from selfalign.client.types import Answer, Choice, PermanentError, Request, Result, TransientError
from selfalign.completion_cache import CompletionCache, open_completion_cache, request_key
from selfalign.core.checkpoint import CARD, read_identity
from selfalign.core.config.serving import ClientConfig
from selfalign.core.errors import ConfigError, InfrastructureError
from selfalign.core.jsonl import replace_surrogates

log = logging.getLogger(__name__)

_BATCH = 64


class Client:
    """A client of one model; made by :func:`open_client`, which documents the arguments.

    The event loop has a thread of its own, so a slow consumer does not delay requests.
    """

    def __init__(
        self,
        endpoints: Sequence[str] | Callable[[], Sequence[str]],
        model: str,
        identity: str,
        cache: CompletionCache | None,
        settings: ClientConfig,
    ) -> None:
        self.metrics = Metrics()
        self._endpoints = endpoints
        self._model = model
        self._identity = identity
        self._cache = cache
        self._settings = settings
        self._window = max(1024, 4 * settings.max_in_flight)
        self._changed = threading.Condition()
        self._crash: BaseException | None = None
        self._results: dict[PendingRequest, Result] = {}
        self._jobs_by_key: dict[str, list[PendingRequest]] = {}
        self._uncommitted: list[tuple[PendingRequest, Answer]] = []
        self._committing = False
        self._commit_task: asyncio.Task[None] | None = None
        self._writer = ThreadPoolExecutor(1, "completion-cache")
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(self._crashed)
        self._thread = threading.Thread(target=self._loop.run_forever, name="dispatcher", daemon=True)
        self._thread.start()
        self._transport: Transport | None = None
        self._dispatcher: Dispatcher | None = None

    def complete(self, requests: Iterable[Request]) -> Iterator[Result]:
        """Yield the result of every request, in order; cached completions are not requested again.

        Reads `requests` ahead by a bounded window. A request that failed permanently has `error` set. Endpoints
        are contacted when the first request has to be sent, not before.

        Args:
            requests: the requests.

        Raises:
            ConfigError: no endpoint is known, or one serves another model.
            InfrastructureError: no endpoint is reachable, or none was for longer than `outage_s`.
        """
        source = iter(requests)
        pending: deque[PendingRequest] = deque()
        more = True
        while more or pending:
            unsent: list[PendingRequest] = []
            while more and len(pending) < self._window:
                request = next(source, None)
                if request is None:
                    more = False
                    break
                job = self._open(request, unsent)
                pending.append(job)
                if len(unsent) >= _BATCH:
                    self._send(unsent)
                    unsent = []
            if unsent:
                self._send(unsent)
            if pending:
                self._wait_for(pending[0])
            while pending and (result := self._results.pop(pending[0], None)) is not None:
                pending.popleft()
                yield result

    def close(self) -> None:
        """Cancel the requests in flight, cache what has arrived, and stop."""
        self._call(self._shut_down())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._writer.shutdown()

    # In the caller's thread.

    def _open(self, request: Request, unsent: list[PendingRequest]) -> PendingRequest:
        """Use a cached completion, or attach to an equal request in flight, or add the request to `unsent`."""
        if self._cache is None:
            job = PendingRequest(request)
            unsent.append(job)
            return job
        key = request_key(self._identity, request.body())
        job = PendingRequest(request, key)
        with self._changed:
            cached = self._cache.get(key, lambda value: _is_usable(value, request))
            if cached is not None:
                self.metrics.cached(cached["usage"])
                self._results[job] = _result(request, cached["choices"], cached["usage"])
            elif key in self._jobs_by_key:
                self._jobs_by_key[key].append(job)
            else:
                self._jobs_by_key[key] = [job]
                unsent.append(job)
        return job

    def _send(self, jobs: list[PendingRequest]) -> None:
        if self._dispatcher is None:
            self._dispatcher = self._connect()
        self._loop.call_soon_threadsafe(self._dispatcher.add, jobs)

    def _connect(self) -> Dispatcher:
        urls = self._endpoints() if callable(self._endpoints) else self._endpoints
        if not urls:
            raise ConfigError("no endpoint: give one (--endpoint, server.endpoints), or set OPENAI_BASE_URL")
        return self._call(self._build(urls))

    def _wait_for(self, job: PendingRequest) -> None:
        with self._changed:
            self._changed.wait_for(lambda: job in self._results or self._crash is not None)
            if self._crash is not None:
                raise self._crash

    def _call(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    # In the event loop's thread.

    async def _build(self, urls: Sequence[str]) -> Dispatcher:
        self._transport = Transport(self._model, self._settings)
        endpoints = Endpoints(urls, self._settings.outage_s)
        await check_endpoints(endpoints, self._transport, self._model, self._identity)
        return Dispatcher(self._transport, endpoints, self._settings, self.metrics, self._done)

    async def _shut_down(self) -> None:
        if self._dispatcher is not None:
            await self._dispatcher.close()
        if self._commit_task is not None and not self._commit_task.done():
            # Completions that have arrived are cached even if no caller waits for them.
            await asyncio.gather(self._commit_task, return_exceptions=True)
        if self._transport is not None:
            await self._transport.close()

    def _done(self, job: PendingRequest, outcome: Answer | PermanentError) -> None:
        if isinstance(outcome, PermanentError) or self._cache is None:
            self._deliver([(job, outcome)])
        else:
            self._uncommitted.append((job, outcome))
            if not self._committing:
                self._committing = True
                self._commit_task = self._loop.create_task(self._commit())
                self._commit_task.add_done_callback(lambda task: task.cancelled() or task.result())

    async def _commit(self) -> None:
        """Write answers to the completion cache in batches, then deliver them."""
        assert self._cache is not None
        try:
            while self._uncommitted:
                batch, self._uncommitted = self._uncommitted, []
                entries = [
                    (
                        job.completion_key or "",
                        {"model": self._identity, "choices": a.choices, "usage": a.usage},
                    )
                    for job, a in batch
                ]
                await self._loop.run_in_executor(self._writer, self._cache.append, entries)
                self._deliver(batch)
        finally:
            self._committing = False

    def _deliver(self, batch: Sequence[tuple[PendingRequest, Answer | PermanentError]]) -> None:
        with self._changed:
            for first, outcome in batch:
                equal = (
                    self._jobs_by_key.pop(first.completion_key, [first]) if first.completion_key else [first]
                )
                for job in equal:
                    if isinstance(outcome, PermanentError):
                        error = f"{outcome.reason}: {outcome.detail}"
                        self._results[job] = Result(job.request, (), {}, error, outcome.refused)
                    else:
                        self._results[job] = _result(job.request, outcome.choices, outcome.usage)
            self._changed.notify_all()

    def _crashed(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        with self._changed:
            self._crash = context.get("exception") or RuntimeError(context["message"])
            self._changed.notify_all()


def _result(request: Request, choices: list[dict[str, Any]], usage: dict[str, Any]) -> Result:
    # Servers write U+FFFD for an incomplete character; one that writes half of a surrogate pair would make a text that no
    # file can contain.
    found = tuple(
        Choice(request.cut(replace_surrogates(c["text"])), c["finish_reason"], c.get("logprobs"))
        for c in choices
    )
    return Result(request, found, usage)


def _is_usable(value: dict[str, Any], request: Request) -> bool:
    """Return whether a cached value is well-formed and has only complete samples; earlier versions cached others too."""
    try:
        whole = all(
            isinstance(choice["text"], str) and choice["finish_reason"] in request.finished
            for choice in value["choices"]
        )
        return whole and isinstance(value["usage"], dict)
    except (KeyError, TypeError):
        return False


@contextlib.contextmanager
def open_client(
    endpoints: Sequence[str] | Callable[[], Sequence[str]],
    model: str,
    *,
    identity: str,
    cache: Path | None,
    settings: ClientConfig | None = None,
) -> Iterator[Client]:
    """Open a client.

    Args:
        endpoints: base URLs (``http://host:port/v1``) to balance the load over, or a function that starts
            servers and returns their URLs; called only if a request has to be sent.
        model: name under which the model is served.
        identity: identity of the model (checkpoint hash, or hub id and revision); part of every completion key.
        cache: directory of the completion cache; None: completions are not cached.
        settings: the client's settings; None: the configuration's defaults.
    """
    with contextlib.ExitStack() as stack:
        store = stack.enter_context(open_completion_cache(cache)) if cache is not None else None
        client = Client(endpoints, model, identity, store, settings or ClientConfig())
        stack.callback(client.close)
        yield client


def default_endpoints() -> list[str]:
    """Return the base URL in OPENAI_BASE_URL as the only endpoint, or none if it is not set."""
    url = os.environ.get("OPENAI_BASE_URL", "").strip()
    return [url] if url else []


async def check_endpoints(endpoints: Endpoints, transport: Transport, model: str, identity: str) -> None:
    """Check that every reachable endpoint serves the model, and its revision where the server states one.

    Args:
        endpoints: the endpoints.
        transport: connections to them.
        model: name under which the model is served.
        identity: identity of the model (checkpoint hash, or hub id and revision).

    Raises:
        ConfigError: an endpoint rejects the API key, or serves another model or revision.
        InfrastructureError: no endpoint can be reached.
    """
    for each in endpoints.all:
        if not each.url.startswith(("http://", "https://")):
            raise ConfigError(f"endpoint '{each.url}': expected http://HOST:PORT/v1")
    reached = [await _check(endpoint.url, transport, model, identity) for endpoint in endpoints.all]
    if not any(reached):
        urls = ", ".join(each.url for each in endpoints.all)
        raise InfrastructureError(
            f"no server can be reached at {urls}; start it there, or give another address"
        )
    for endpoint, answered in zip(endpoints.all, reached, strict=True):
        if not answered:
            log.warning("%s is unreachable; excluded until it answers", endpoint.url)


async def _check(url: str, transport: Transport, model: str, identity: str) -> bool:
    """Return whether the server answers."""
    try:
        cards = await transport.models(url)
    except TransientError as error:
        if error.answered:
            log.warning("%s does not list its models (%s); its model is not checked", url, error)
        return error.answered
    except PermanentError as error:
        if error.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise ConfigError(f"{url} rejects the API key (OPENAI_API_KEY): {error.detail}") from None
        if error.status == HTTPStatus.NOT_FOUND and not url.endswith("/v1"):
            raise ConfigError(f"{url} is not an OpenAI-compatible address: did you mean {url}/v1?") from None
        log.warning("%s does not list its models (%s); its model is not checked", url, error)
        return True
    if model not in cards:
        raise ConfigError(
            f"{url} does not serve '{model}', it serves {', '.join(cards)}; "
            "give that name (model.name, --model) or another endpoint"
        )
    _check_revision(url, cards[model], identity)
    return True


def _check_revision(url: str, card: dict[str, Any], identity: str) -> None:
    """Compare the revision that the server states, if any, with the expected one."""
    stated = card.get("revision")
    root = str(card.get("root") or "")
    if "@" in identity:
        expected = identity.rpartition("@")[2]
        if stated is None and "/snapshots/" in root:
            stated = root.rstrip("/").rpartition("/")[2]
    elif re.fullmatch(r"[0-9a-f]{64}", identity):
        expected = identity
        # A server on this machine names its checkpoint's directory, which has a file with the hash.
        if stated is None and root and (Path(root) / CARD).exists():
            stated = read_identity(root)
    else:
        log.info("%s serves the model; no revision was specified, so none is checked", url)
        return
    if stated is not None and stated != expected:
        raise ConfigError(f"{url} serves another revision of the model: expected {expected}, found {stated}")
    log.info("%s serves the model%s", url, "" if stated else "; it does not state the revision")
