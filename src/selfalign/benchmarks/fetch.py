"""Downloading a benchmark's data file from its pinned URL."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import httpx
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from selfalign.benchmarks.definition import DataFile, Version, load_definition
from selfalign.benchmarks.load import check_content, checksum_key
from selfalign.core.errors import DataError, InfrastructureError
from selfalign.core.jsonl import atomic_path

TIMEOUT_S = 60.0
ATTEMPTS = 4


def fetch_data(name: str, file: str, out: str | Path, checksums: Mapping[str, str] | None = None) -> None:
    """Download data file `file` of the benchmark `name` to `out`, against its checksum.

    Where the definition has no checksum, `checksums` must (by :func:`checksum_key`): what is downloaded the first time
    is kept beside `out`, for the user to look at, and used once its checksum is in the configuration.

    Raises:
        DataError: the benchmark has no such file, it has no URL, no checksum is known, or what came is something else.
        InfrastructureError: it could not be downloaded.
    """
    version, entry = _entry(name, file)
    if entry.url is None:
        raise DataError(f"{name}: {file} has no URL; give its local path in 'evaluation.benchmarks'")
    out, key = Path(out), checksum_key(name, file)
    expected = entry.sha256 or (checksums or {}).get(key)
    kept = out.with_name(f"unverified-{file}")
    if not kept.is_file():
        try:
            with atomic_path(kept) as temporary:
                _download(entry.url, temporary)
        except httpx.HTTPError as error:
            raise InfrastructureError(f"{name}: cannot download {entry.url} ({error})") from None
    if expected is None:
        found = check_content(kept, None, name)
        raise DataError(
            f"no SHA-256 is known ({version.unpinned}), and nothing is scored on data that nobody has vouched for. Look "
            f"at this download of {entry.url}; if it is what you mean, put into the configuration: "
            f"evaluation: {{checksums: {{{key}: {found}}}}}",
            file=kept,
        )
    try:
        check_content(kept, expected, f"{name}: {entry.url}")
    except DataError:
        kept.unlink()
        raise
    kept.replace(out)


def _entry(name: str, file: str) -> tuple[Version, DataFile]:
    for version in load_definition(name).versions.values():
        for entry in version.files:
            if entry.file == file:
                return version, entry
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
