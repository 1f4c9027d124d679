"""Downloads of pinned files: retried, resumed, and kept only if their content is verified."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from selfalign.core.config.downloads import DownloadsConfig
from selfalign.core.errors import DataError, InfrastructureError
from selfalign.core.jsonl import atomic_path

HUB = "https://huggingface.co/"
RETRIED_STATUS = frozenset({408, 425, 429})

logger = logging.getLogger(__name__)


def download(
    url: str,
    out: str | Path,
    check: Callable[[Path], object],
    *,
    name: str | None = None,
    settings: DownloadsConfig | None = None,
) -> None:
    """Download the file at `url` to `out`, if `check` accepts its content.

    A file called `name` in ``downloads.local`` is used instead if there is one; it is checked in the same way.
    An interrupted transfer is resumed if the server supports it. The proxy variables of the environment apply.

    Args:
        url: URL of the file.
        out: file to write.
        check: raises :class:`~selfalign.core.errors.DataError` unless the file at the given path is the expected one.
        name: file name of a local copy; default: the name of `out`.
        settings: local copies, mirrors, timeout and number of attempts; None: the defaults of the configuration.

    Raises:
        DataError: the content is not the expected one.
        InfrastructureError: the file could not be downloaded.
    """
    settings, out = settings or DownloadsConfig(), Path(out)
    name = name or out.name
    local = Path(settings.local) / name if settings.local else None
    with atomic_path(out) as temporary:
        if local is not None and local.is_file():
            try:
                check(local)
            except DataError as error:
                raise DataError(f"{error.expected}; replace or remove this copy", file=local) from None
            shutil.copyfile(local, temporary)
            return
        address = mirrored(url, settings)
        try:
            _fetch(address, temporary, settings)
        except httpx.InvalidURL as error:
            raise InfrastructureError(f"cannot download {address} ({error})") from None
        except httpx.HTTPError as error:
            raise InfrastructureError(
                f"cannot download {address} ({_reason(error)}); check the network, name a mirror in "
                f"'downloads.mirrors', or put a copy called {name} into a directory and name that directory in "
                "'downloads.local'"
            ) from None
        try:
            check(temporary)
        except DataError as error:
            raise DataError(f"{address}: {error.expected}") from None


def mirrored(url: str, settings: DownloadsConfig) -> str:
    """Return the URL to download `url` from: at a configured mirror, or at HF_ENDPOINT for files of the hub."""
    mirrors = dict(settings.mirrors)
    if endpoint := os.environ.get("HF_ENDPOINT", "").strip():
        mirrors.setdefault(HUB, endpoint.rstrip("/") + "/")
    for base in sorted(mirrors, key=len, reverse=True):
        if url.startswith(base):
            return mirrors[base] + url.removeprefix(base)
    return url


def _fetch(url: str, out: Path, settings: DownloadsConfig) -> None:
    """Download `url` to `out` in several attempts, each of which continues the previous transfer if possible."""
    etag: str | None = None
    retrying = Retrying(
        retry=retry_if_exception(_is_transient),
        wait=wait_exponential_jitter(1, 20),
        stop=stop_after_attempt(settings.attempts),
        before_sleep=lambda state: _log_retry(url, state),
        reraise=True,
    )
    with httpx.Client(follow_redirects=True, timeout=settings.timeout_s) as client:
        for attempt in retrying:
            with attempt:
                # Without a content coding, the bytes received are the bytes of the file, so a transfer can continue.
                headers = {"Accept-Encoding": "identity"}
                received = out.stat().st_size
                if received and etag:
                    headers |= {"Range": f"bytes={received}-", "If-Range": etag}
                with client.stream("GET", url, headers=headers) as answer:
                    answer.raise_for_status()
                    continues = answer.status_code == httpx.codes.PARTIAL_CONTENT
                    tag = answer.headers.get("ETag", "")
                    etag = tag if tag and not tag.startswith("W/") else None
                    with out.open("ab" if continues else "wb") as handle:
                        for block in answer.iter_bytes():
                            handle.write(block)


def _is_transient(error: BaseException) -> bool:
    if isinstance(error, httpx.HTTPStatusError):
        status = error.response.status_code
        return status in RETRIED_STATUS or status >= httpx.codes.INTERNAL_SERVER_ERROR
    return isinstance(error, httpx.TransportError) and not isinstance(error, httpx.UnsupportedProtocol)


def _log_retry(url: str, state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    logger.warning("%s: attempt %d failed (%s)", url, state.attempt_number, _reason(error))


def _reason(error: BaseException | None) -> str:
    if isinstance(error, httpx.HTTPStatusError):
        return f"HTTP {error.response.status_code}"
    return str(error) or type(error).__name__
