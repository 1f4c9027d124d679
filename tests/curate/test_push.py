"""Pushing to a hub, against a small stand-in for its API on this machine."""

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from selfalign.core.errors import ConfigError, InfrastructureError
from selfalign.curate.push import push_dataset


class Hub(ThreadingHTTPServer):
    """Keeps what is asked of it; `status` is its answer to everything, unless None."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, dict]] = []
        self.pushed: dict[str, bytes] = {}
        self.status: int | None = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Hub

    def do_GET(self):
        self._answer({"siblings": [], "sha": "0" * 40})

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        path = self.path.partition("?")[0]
        if path.endswith("/commit/main"):
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    self.server.pushed[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            oid = "1" * 40
            self._answer({"commitOid": oid, "commitUrl": f"{self.server.url}/datasets/me/rows/commit/{oid}"})
            return
        asked = json.loads(body)
        self.server.asked.append((path, asked))
        if path.endswith("/preupload/main"):
            files = [
                {"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in asked["files"]
            ]
            self._answer({"files": files})
            return
        self._answer({"url": f"{self.server.url}/datasets/me/rows"})

    def log_message(self, format, *args):
        pass

    def _answer(self, value):
        content = json.dumps(value).encode()
        self.send_response(self.server.status or 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def hub(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_not_a_token")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    server = Hub()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def files(tmp_path):
    for name in ("README.md", "train.jsonl", "left-out.log"):
        (tmp_path / name).write_text(f"{name}\n")
    return [tmp_path / "README.md", tmp_path / "train.jsonl"]


def test_the_files_and_no_others_arrive_in_one_commit(hub, files):
    done = push_dataset(files, "me/rows", endpoint=hub.url)
    assert hub.pushed == {"README.md": b"README.md\n", "train.jsonl": b"train.jsonl\n"}
    path, asked = hub.asked[0]
    assert path == "/api/repos/create"
    assert (asked["organization"], asked["name"], asked["type"]) == ("me", "rows", "dataset")
    assert "private" in (asked.get("visibility"), *asked)
    assert done["commit"] == "1" * 40
    assert done["files"] == ["README.md", "train.jsonl"]


def test_a_refused_token_and_a_failing_hub_are_one_line(hub, files):
    hub.status = 403
    with pytest.raises(ConfigError, match=r"refuses 'me/rows'.*HF_TOKEN"):
        push_dataset(files, "me/rows", endpoint=hub.url)
    hub.status = 500
    with pytest.raises(InfrastructureError, match="the hub failed"):
        push_dataset(files, "me/rows", endpoint=hub.url)


def test_without_a_name_nothing_is_pushed(files):
    with pytest.raises(ConfigError, match=r"curation\.handover\.hub"):
        push_dataset(files, None)
    with pytest.raises(ConfigError, match=r"curation\.handover\.hub"):
        push_dataset(files, "not a name")
