"""Downloading a benchmark's data file from its pinned URL."""

from __future__ import annotations

from pathlib import Path

import httpx
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from selfalign.benchmarks.definition import DataFile, load_definition
from selfalign.benchmarks.load import check_content
from selfalign.core.errors import DataError, InfrastructureError
from selfalign.core.jsonl import atomic_path

TIMEOUT_S = 60.0
ATTEMPTS = 4


def fetch_data(name: str, file: str, out: str | Path) -> None:
    """Download data file `file` of the benchmark `name` to `out`, against its checksum.

    Raises:
        DataError: the benchmark has no such file, it has no URL, or what came is something else.
        InfrastructureError: it could not be downloaded.
    """
    entry = _entry(name, file)
    if entry.url is None:
        raise DataError(f"{name}: {file} has no URL; give its local path in 'evaluation.benchmarks'")
    with atomic_path(out) as temporary:
        try:
            _download(entry.url, temporary)
        except httpx.HTTPError as error:
            raise InfrastructureError(f"{name}: cannot download {entry.url} ({error})") from None
        check_content(temporary, entry, f"{name}: {entry.url}")


def _entry(name: str, file: str) -> DataFile:
    for version in load_definition(name).versions.values():
        for entry in version.files:
            if entry.file == file:
                return entry
    raise DataError(f"{name} has no data file '{file}'")


@retry(
    retry=retry_if_exception_type(httpx.TransportError),
    wait=wait_exponential_jitter(1, 20),
    stop=stop_after_attempt(ATTEMPTS),
    reraise=True,
)
def _download(url: str, out: Path) -> None:
    with httpx.stream("GET", url, follow_redirects=True, timeout=TIMEOUT_S) as answer:
        answer.raise_for_status()
        with out.open("wb") as handle:
            for block in answer.iter_bytes():
                handle.write(block)
