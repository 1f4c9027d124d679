"""A download is used only if it has the checksum of its definition, and every definition has one."""

from __future__ import annotations

import gzip
import hashlib
import re

import httpx
import pytest
import respx

from selfalign.benchmarks import available, fetch
from selfalign.benchmarks.definition import DataFile, load_definition
from selfalign.benchmarks.fetch import fetch_data
from selfalign.core.config.base import validate_section
from selfalign.core.errors import ConfigError, DataError, InfrastructureError

CONTENT = b'{"what": "somebody else\'s data"}\n'
FILE = "ds1000.jsonl.gz"


@pytest.fixture
def server():
    with respx.mock(assert_all_called=False) as mocked:
        mocked.get(url__regex=r"https://.*").mock(
            return_value=httpx.Response(200, content=gzip.compress(CONTENT))
        )
        yield mocked


@pytest.mark.usefixtures("server")
def test_other_content_than_the_pinned_is_refused(tmp_path):
    out = tmp_path / "HumanEvalPlus-v0.1.10.jsonl.gz"
    with pytest.raises(DataError, match=r"expected SHA-256 42526ec0.*these are other data"):
        fetch_data("humaneval_plus", out.name, out)
    assert list(tmp_path.iterdir()) == []


def test_a_download_with_the_pinned_checksum_is_used(server, tmp_path, monkeypatch):
    packed = gzip.compress(CONTENT, mtime=0)
    server.get(url__regex=r"https://.*").mock(return_value=httpx.Response(200, content=packed))
    out = tmp_path / FILE
    for checksum in (
        {"sha256": hashlib.sha256(CONTENT).hexdigest()},
        {"archive_sha256": hashlib.sha256(packed).hexdigest()},
    ):
        entry = DataFile(file=FILE, url="https://example.org/data", **checksum)
        monkeypatch.setattr(fetch, "_entry", lambda *_, entry=entry: entry)
        fetch_data("ds1000", FILE, out)
        assert out.read_bytes() == packed
        out.unlink()


@pytest.mark.usefixtures("server")
def test_a_file_that_was_packed_anew_is_not_the_published_one(tmp_path):
    with pytest.raises(
        DataError, match=rf"expected SHA-256 e8c6daa9.* \(of {FILE} itself, as it is published\)"
    ):
        fetch_data("ds1000", FILE, tmp_path / FILE)
    assert list(tmp_path.iterdir()) == []


def test_no_download_is_infrastructure(tmp_path):
    with respx.mock as mocked:
        mocked.get(url__regex=r"https://.*").mock(return_value=httpx.Response(404))
        with pytest.raises(InfrastructureError, match=r"cannot download https://.*404"):
            fetch_data("ds1000", FILE, tmp_path / FILE)
    assert list(tmp_path.iterdir()) == []


def test_every_benchmark_has_one_checksum_and_an_address_whose_content_stays():
    for name in available():
        for version in load_definition(name).versions.values():
            for entry in version.files:
                assert bool(entry.sha256) != bool(entry.archive_sha256)
                assert entry.url is not None
                # A commit hash, or the files of a numbered release: no branch.
                assert re.search(r"/([0-9a-f]{40}|releases/download/v[0-9.]+)/", entry.url), entry.url


@pytest.mark.parametrize("checksums", [{}, {"sha256": "0" * 64, "archive_sha256": "0" * 64}])
def test_a_definition_without_one_checksum_a_file_is_refused(checksums):
    with pytest.raises(ConfigError, match="needs one checksum: 'sha256' or 'archive_sha256'"):
        validate_section(DataFile, {"file": "a.jsonl.gz", "url": "https://example.org/a", **checksums})
