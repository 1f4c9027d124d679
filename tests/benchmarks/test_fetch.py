"""A download is used only if somebody has vouched for its content: the definition, or the configuration."""

from __future__ import annotations

import gzip
import hashlib

import httpx
import pytest
import respx

from selfalign.benchmarks.definition import Definition, Version, load_definition
from selfalign.benchmarks.fetch import fetch_data
from selfalign.core.config.base import validate_section
from selfalign.core.errors import ConfigError, DataError, InfrastructureError

CONTENT = b'{"what": "somebody else\'s data"}\n'
SHA256 = hashlib.sha256(CONTENT).hexdigest()
FILE = "ds1000.jsonl.gz"


@pytest.fixture
def server():
    with respx.mock(assert_all_called=False) as mocked:
        mocked.get(url__regex=r"https://.*").mock(
            return_value=httpx.Response(200, content=gzip.compress(CONTENT))
        )
        yield mocked


def test_other_content_than_the_pinned_is_refused(server, tmp_path):
    out = tmp_path / "HumanEvalPlus-v0.1.10.jsonl.gz"
    with pytest.raises(DataError, match=r"expected SHA-256 42526ec0.*these are other data"):
        fetch_data("humaneval_plus", out.name, out)
    assert list(tmp_path.iterdir()) == []


def test_the_first_download_without_a_checksum_is_shown_and_not_used(server, tmp_path):
    out = tmp_path / FILE
    with pytest.raises(DataError, match=rf"no SHA-256 is known .*\{{ds1000/{FILE}: {SHA256}\}}"):
        fetch_data("ds1000", FILE, out)
    assert not out.exists()
    fetch_data("ds1000", FILE, out, {f"ds1000/{FILE}": SHA256})
    assert gzip.decompress(out.read_bytes()) == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    assert server.calls.call_count == 1  # what was looked at is what is used


def test_what_comes_later_must_be_what_was_vouched_for(server, tmp_path):
    with pytest.raises(DataError, match="these are other data"):
        fetch_data("ds1000", FILE, tmp_path / FILE, {f"ds1000/{FILE}": "0" * 64})
    assert list(tmp_path.iterdir()) == []


def test_no_download_is_infrastructure(tmp_path):
    with respx.mock as mocked:
        mocked.get(url__regex=r"https://.*").mock(return_value=httpx.Response(404))
        with pytest.raises(InfrastructureError, match=r"cannot download https://.*404"):
            fetch_data("ds1000", FILE, tmp_path / FILE)
    assert list(tmp_path.iterdir()) == []


def test_a_definition_says_why_it_has_no_checksum():
    with pytest.raises(ConfigError, match="needs 'unpinned', why"):
        validate_section(Version, {"files": [{"file": "a.jsonl", "url": "https://example.org/a"}]})
    for name in ("ds1000", "livecodebench", "evoeval"):
        definition: Definition = load_definition(name)
        assert all(version.unpinned for version in definition.versions.values())
