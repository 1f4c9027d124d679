"""Downloads over real connections: retried, resumed, redirected, and kept only if they are the pinned file."""

from __future__ import annotations

import gzip
import hashlib
import re

import pytest
from tenacity import wait_none
from tests.file_server import FileServer, Served, file_server

from selfalign import downloads
from selfalign.benchmarks import available, load_definition
from selfalign.benchmarks.definition import DataFile
from selfalign.benchmarks.load import check_content
from selfalign.core.config.base import validate_section
from selfalign.core.config.downloads import DownloadsConfig
from selfalign.core.config.evaluation import SELF_TESTS
from selfalign.core.errors import ConfigError, DataError, InfrastructureError
from selfalign.downloads import download, mirrored

CONTENT = gzip.compress(b"".join(b"%d\n" % number for number in range(500)), mtime=0)
NAME = "OurTasks-v1.jsonl.gz"
FILE = DataFile(
    file=NAME,
    url="https://example.org/releases/v1/OurTasks.jsonl.gz",
    sha256=hashlib.sha256(gzip.decompress(CONTENT)).hexdigest(),
)


@pytest.fixture
def server(monkeypatch):
    # Attempts follow each other at once; how many there are stays as configured.
    monkeypatch.setattr(downloads, "wait_exponential_jitter", lambda *_: wait_none())
    for variable in (
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "http_proxy",
        "https_proxy",
        "all_proxy",
        "HF_ENDPOINT",
    ):
        monkeypatch.delenv(variable, raising=False)
    with file_server() as running:
        yield running


def fetch(server: FileServer, out, served: Served, **settings):
    server.files["/data"] = served
    download(
        f"{server.url}/data",
        out,
        lambda path: check_content(path, FILE, FILE.file),
        name=NAME,
        settings=DownloadsConfig(**settings),
    )


def left(directory):
    return sorted(path.name for path in directory.iterdir())


def test_the_pinned_file_is_kept_as_it_is(server, tmp_path):
    fetch(server, tmp_path / "new" / NAME, Served(CONTENT))
    assert (tmp_path / "new" / NAME).read_bytes() == CONTENT
    assert left(tmp_path / "new") == [NAME]


def test_other_content_is_refused_with_its_address_and_leaves_nothing(server, tmp_path):
    with pytest.raises(
        DataError, match=rf"^{server.url}/data: .*expected SHA-256 {FILE.sha256}.*these are other data"
    ):
        fetch(server, tmp_path / NAME, Served(gzip.compress(b"other")))
    assert left(tmp_path) == []
    assert len(server.requests) == 1


@pytest.mark.parametrize("statuses", [[503], [503, 429, 500]])
def test_a_server_that_is_busy_first_is_asked_again(server, tmp_path, statuses):
    fetch(server, tmp_path / NAME, Served(CONTENT, statuses=list(statuses)))
    assert len(server.requests) == len(statuses) + 1
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_a_truncated_transfer_is_resumed_where_it_broke_off(server, tmp_path):
    fetch(server, tmp_path / NAME, Served(CONTENT, cut_at=40))
    assert server.requests == [("/data", None), ("/data", "bytes=40-")]
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_a_server_without_ranges_sends_the_file_anew(server, tmp_path):
    fetch(server, tmp_path / NAME, Served(CONTENT, cut_at=40, ranges=False))
    assert len(server.requests) == 2
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_a_transfer_that_stalls_is_tried_again(server, tmp_path):
    fetch(server, tmp_path / NAME, Served(CONTENT, stall_at=40), timeout_s=1.5)
    assert server.requests[1] == ("/data", "bytes=40-")
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_a_slow_transfer_is_waited_for(server, tmp_path):
    fetch(server, tmp_path / NAME, Served(CONTENT, pause_s=0.2), timeout_s=1.5)
    assert len(server.requests) == 1
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_redirects_are_followed(server, tmp_path):
    server.files["/moved"] = Served(CONTENT)
    fetch(server, tmp_path / NAME, Served(redirect=f"{server.url}/moved"))
    assert [path for path, _ in server.requests] == ["/data", "/moved"]
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_a_file_that_is_not_there_is_one_line_that_says_what_to_do(server, tmp_path):
    with pytest.raises(
        InfrastructureError,
        match=rf"^cannot download {server.url}/data \(HTTP 404\); check the network, .*copy called {NAME} into.*'downloads.local'$",
    ):
        fetch(server, tmp_path / NAME, Served(statuses=[404]))
    assert len(server.requests) == 1
    assert left(tmp_path) == []


def test_attempts_end(server, tmp_path):
    with pytest.raises(InfrastructureError, match=r"HTTP 503"):
        fetch(server, tmp_path / NAME, Served(CONTENT, statuses=[503] * 9), attempts=3)
    assert len(server.requests) == 3


def test_without_a_network_the_address_is_named(server, tmp_path):
    closed = server.url
    server.close()
    with pytest.raises(
        InfrastructureError, match=rf"cannot download {closed}/data \(.*refused.*\); check the network"
    ):
        fetch(server, tmp_path / NAME, Served(CONTENT), attempts=2)


def test_a_local_copy_needs_no_network_and_is_checked(server, tmp_path):
    copies = tmp_path / "copies"
    copies.mkdir()
    (copies / NAME).write_bytes(CONTENT)
    fetch(server, tmp_path / NAME, Served(), local=str(copies))
    assert server.requests == []
    assert (tmp_path / NAME).read_bytes() == CONTENT
    (copies / NAME).write_bytes(CONTENT[:50])
    (tmp_path / NAME).unlink()
    with pytest.raises(DataError, match=rf"^{copies / NAME}: .*; replace or remove this copy$"):
        fetch(server, tmp_path / NAME, Served(CONTENT), local=str(copies))
    assert not (tmp_path / NAME).exists()
    (copies / NAME).unlink()
    fetch(server, tmp_path / NAME, Served(CONTENT), local=str(copies))
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_a_proxy_of_the_environment_is_used(server, tmp_path, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", server.url)
    server.files["/proxied/http://files.invalid/data"] = Served(CONTENT)
    download("http://files.invalid/data", tmp_path / NAME, lambda path: check_content(path, FILE, NAME))
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_addresses_are_those_of_mirrors_and_of_the_hub_in_use(monkeypatch):
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    settings = DownloadsConfig(
        mirrors={
            "https://github.com/": "https://mirror.example.org/github/",
            "https://github.com/evalplus/": "https://mirror.example.org/evalplus/",
        }
    )
    assert mirrored("https://github.com/a/b", settings) == "https://mirror.example.org/github/a/b"
    assert mirrored("https://github.com/evalplus/b", settings) == "https://mirror.example.org/evalplus/b"
    assert mirrored("https://huggingface.co/datasets/a", settings) == "https://huggingface.co/datasets/a"
    monkeypatch.setenv("HF_ENDPOINT", "https://hub.example.org/")
    assert mirrored("https://huggingface.co/datasets/a", settings) == "https://hub.example.org/datasets/a"
    with pytest.raises(ConfigError, match=r"downloads\.mirrors' .*begin with http"):
        validate_section(DownloadsConfig, {"mirrors": {"github.com": "mirror"}}, "downloads")


def test_every_benchmark_has_one_checksum_and_an_address_whose_content_stays():
    for name in available():
        for version in load_definition(name).versions.values():
            for entry in version.files:
                if entry.artifact is not None:  # made by the run
                    assert (name, entry.url, entry.sha256, entry.archive_sha256) == (
                        SELF_TESTS,
                        None,
                        None,
                        None,
                    )
                    continue
                if (
                    entry.hub is not None
                ):  # rewritten as JSON Lines; a commit, or a branch that is resolved once
                    assert name in {"livecodebench_tests", "livecodebench_execution"}
                    assert re.fullmatch(r"[0-9a-f]{40}|main", entry.hub.revision)
                    assert (entry.url, entry.sha256, entry.archive_sha256) == (None, None, None)
                    continue
                assert bool(entry.sha256) != bool(entry.archive_sha256)
                # A commit hash, or the files of a numbered release: no branch.
                assert re.search(r"/([0-9a-f]{40}|releases/download/v[0-9.]+)/", entry.url), entry.url


@pytest.mark.parametrize("checksums", [{}, {"sha256": "0" * 64, "archive_sha256": "0" * 64}])
def test_a_definition_without_one_checksum_a_file_is_refused(checksums):
    with pytest.raises(ConfigError, match="needs a URL and one checksum: 'sha256' or 'archive_sha256'"):
        validate_section(DataFile, {"file": "a.jsonl.gz", "url": "https://example.org/a", **checksums})


def test_a_file_that_was_packed_anew_is_not_the_published_one(server, tmp_path):
    entry = load_definition("ds1000").versions[load_definition("ds1000").default_version].files[0]
    server.files["/data"] = Served(CONTENT)
    with pytest.raises(
        DataError,
        match=rf"expected SHA-256 {entry.archive_sha256} \(of {entry.file} itself, as it is published\)",
    ):
        download(f"{server.url}/data", tmp_path / "x", lambda path: check_content(path, entry, entry.file))
