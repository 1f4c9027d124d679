"""A hub on this machine: as much of its protocol as `huggingface_hub` and `datasets` speak in a build.

Repositories with commits and branches, gated ones, files behind a redirect as large ones are, ranges, connections
that are cut, and the upload of commits. Every request is kept in a log.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN = "hf_of_a_reader"
LARGE = (".safetensors", ".parquet")


class Request(NamedTuple):
    method: str
    path: str
    range: str | None


@dataclass
class Repository:
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    gated: bool = False
    private: bool = False


class HubServer(ThreadingHTTPServer):
    """The hub.

    Attributes:
        status: its answer to everything, if not None.
        cut: bytes after which the next download of a file breaks, by path, or by SHA-256 of a large one.
        broken: the SHA-256 of large files that it fails to give.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.blobs: dict[str, bytes] = {}
        self.log: list[Request] = []
        self.cut: dict[str, int] = {}
        self.broken: set[str] = set()
        self.status: int | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def storage(self) -> str:
        """Where large files lie: another host than the hub's, as far as the library can tell."""
        return f"http://localhost:{self.server_port}/storage"

    def commit(self, kind: str, name: str, files: dict[str, bytes], branch: str = "main") -> str:
        """Add files to a branch of a repository, which is made if it is new; return the commit."""
        repository = self.repositories.setdefault((kind, name), Repository())
        parent = repository.branches.get(branch)
        tree = {**(repository.commits[parent] if parent else {}), **files}
        digest = hashlib.sha1(repr((kind, name, parent, sorted(tree.items()))).encode()).hexdigest()
        repository.commits[digest] = tree
        repository.branches[branch] = digest
        return digest

    def commit_directory(self, kind: str, name: str, directory: Path) -> str:
        return self.commit(kind, name, {p.name: p.read_bytes() for p in directory.iterdir() if p.is_file()})

    def requests(self, text: str, method: str = "GET") -> list[Request]:
        """Return the requests whose paths contain `text`."""
        return [each for each in self.log if text in each.path and each.method == method]

    def environment(self, home: Path, *, token: str | None = None) -> dict[str, str]:
        """Return the variables with which the libraries use this hub, and a cache of their own in `home`."""
        variables = {
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(home),
            "HF_HUB_DISABLE_XET": "1",
            "HF_TOKEN": token or "",
        }
        return {
            **variables,
            "NO_PROXY": "127.0.0.1,localhost",
            "HF_HUB_OFFLINE": "0",
            "HF_HUB_DISABLE_TELEMETRY": "1",
        }


@contextlib.contextmanager
def running_hub() -> Iterator[HubServer]:
    server = HubServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


class _Refused(Exception):
    """An answer with a status and the code by which the library tells errors apart."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


class _Handler(BaseHTTPRequestHandler):
    server: HubServer
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._serve()

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_PUT(self) -> None:
        self._serve()

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        path = unquote(parts.path)
        self.server.log.append(Request(self.command, path, self.headers.get("Range")))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            if self.server.status is not None:
                raise _Refused(self.server.status, "")
            self._route(path, parse_qs(parts.query), body)
        except _Refused as refusal:
            headers = {"X-Error-Code": refusal.code, "X-Error-Message": refusal.code}
            self._json({"error": refusal.code}, refusal.status, headers if refusal.code else {})

    def _route(self, path: str, query: dict[str, list[str]], body: bytes) -> None:
        if path == "/api/repos/create":
            asked = json.loads(body)
            name = (
                f"{asked['organization']}/{asked['name']}"
                if asked.get("organization")
                else f"me/{asked['name']}"
            )
            self._writer()
            kind = "datasets" if asked["type"] == "dataset" else "models"
            repository = Repository(
                private=bool(asked.get("private") or asked.get("visibility") == "private")
            )
            self.server.repositories.setdefault((kind, name), repository)
            self.server.repositories[kind, name].branches or self.server.commit(
                kind, name, {".gitattributes": b""}
            )
            self._json(
                {"url": f"{self.server.url}/{'datasets/' if kind == 'datasets' else ''}{name}", "name": name}
            )
        elif path == "/api/validate-yaml":
            self._json({"errors": [], "warnings": []})
        elif found := re.fullmatch(r"/storage/([0-9a-f]{64})", path):
            if self.command == "PUT":
                assert hashlib.sha256(body).hexdigest() == found[1]
                self.server.blobs[found[1]] = body
                self._json({})
            elif found[1] in self.server.broken:
                raise _Refused(500, "")
            else:
                self._file(self.server.blobs[found[1]], found[1], {})
        elif found := re.fullmatch(r"/(datasets/|)([^/]+/[^/]+)\.git/info/lfs/objects/batch", path):
            self._writer()
            objects = json.loads(body)["objects"]
            for each in objects:
                each["actions"] = {"upload": {"href": f"{self.server.storage}/{each['oid']}"}}
            self._json({"transfer": "basic", "objects": objects})
        elif found := re.fullmatch(r"/api/(models|datasets)/([^/]+/[^/]+)(?:/(.*))?", path):
            self._api(found[1], found[2], found[3] or "", query, body)
        elif found := re.fullmatch(r"/(datasets/|)([^/]+/[^/]+)/resolve/([^/]+|refs/pr/\d+)/(.+)", path):
            self._resolve("datasets" if found[1] else "models", *found.groups()[1:])
        else:
            raise _Refused(404, "NotFound")

    def _api(self, kind: str, name: str, rest: str, query: dict[str, list[str]], body: bytes) -> None:
        what, _, rest = rest.partition("/")
        revision, _, below = rest.partition("/")
        if what in ("preupload", "commit"):
            self._writer()
        commit, tree = self._tree(kind, name, revision or "main")
        if what in ("", "revision"):
            repository = self.server.repositories[kind, name]
            siblings = [{"rfilename": each} for each in sorted(tree)]
            facts = {
                "private": repository.private,
                "gated": "auto" if repository.gated else False,
                "tags": [],
            }
            self._json({"id": name, "sha": commit, "siblings": siblings, **facts})
        elif what == "tree":
            self._json(
                self._entries(tree, below, recursive=query.get("recursive", ["false"])[0].lower() == "true")
            )
        elif what == "paths-info":
            asked = json.loads(body) if body.startswith(b"{") else parse_qs(body.decode())
            entries = {each["path"]: each for each in self._entries(tree, "", recursive=True)}
            self._json([entries[each] for each in asked["paths"] if each in entries])
        elif what == "preupload":
            modes = [
                {"path": each["path"], "uploadMode": "lfs" if each["path"].endswith(LARGE) else "regular"}
                for each in json.loads(body)["files"]
            ]
            self._json({"files": [{**each, "shouldIgnore": False} for each in modes]})
        elif what == "commit":
            files = {}
            for line in map(json.loads, body.splitlines()):
                value = line["value"]
                if line["key"] == "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                elif line["key"] == "lfsFile":
                    files[value["path"]] = self.server.blobs[value["oid"]]
            oid = self.server.commit(kind, name, files, revision)
            self._json({"commitOid": oid, "commitUrl": f"{self.server.url}/{kind}/{name}/commit/{oid}"})
        else:
            raise _Refused(404, "NotFound")

    def _resolve(self, kind: str, name: str, revision: str, path: str) -> None:
        commit, tree = self._tree(kind, name, revision)
        if self.server.repositories[kind, name].gated and self._token() != TOKEN:
            raise _Refused(403 if self._token() else 401, "GatedRepo")
        if path not in tree:
            raise _Refused(404, "EntryNotFound")
        content = tree[path]
        headers = {"X-Repo-Commit": commit}
        if path.endswith(LARGE):
            digest = hashlib.sha256(content).hexdigest()
            self.server.blobs[digest] = content
            headers["X-Linked-Size"] = str(len(content))
            headers["X-Linked-ETag"] = f'"{digest}"'
            headers["Location"] = f"{self.server.storage}/{digest}"
            self._answer(302, b"", headers)
        else:
            self._file(content, _blob_id(content), headers, name=path)

    def _tree(self, kind: str, name: str, revision: str) -> tuple[str, dict[str, bytes]]:
        repository = self.server.repositories.get((kind, name))
        if repository is None or (repository.private and not self._token()):
            raise _Refused(404 if self._token() else 401, "RepoNotFound")
        commit = repository.branches.get(revision, revision)
        if commit not in repository.commits:
            raise _Refused(404, "RevisionNotFound")
        return commit, repository.commits[commit]

    def _entries(self, tree: dict[str, bytes], below: str, *, recursive: bool) -> list[dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for path, content in sorted(tree.items()):
            if below and not path.startswith(f"{below}/"):
                continue
            first, _, deeper = path.removeprefix(f"{below}/" if below else "").partition("/")
            if deeper:
                directory = f"{below}/{first}" if below else first
                found.setdefault(
                    directory, {"type": "directory", "path": directory, "oid": "0" * 40, "size": 0}
                )
            if recursive or not deeper:
                entry = {"type": "file", "path": path, "oid": _blob_id(content), "size": len(content)}
                if path.endswith(LARGE):
                    digest = hashlib.sha256(content).hexdigest()
                    entry["lfs"] = {"oid": digest, "size": len(content), "pointerSize": 134}
                found[path] = entry
        if below and not found:
            raise _Refused(404, "EntryNotFound")
        return list(found.values())

    def _file(self, content: bytes, etag: str, headers: dict[str, str], name: str = "") -> None:
        headers = {"ETag": f'"{etag}"', "Accept-Ranges": "bytes", **headers}
        cut = None
        if self.command == "GET":
            cut = self.server.cut.pop(name, None) or self.server.cut.pop(etag, None)
        status = 200
        if asked := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or ""):
            start, end = int(asked[1]), min(int(asked[2] or len(content) - 1), len(content) - 1)
            headers["Content-Range"] = f"bytes {start}-{end}/{len(content)}"
            content, status = content[start : end + 1], 206
        self._answer(status, content, headers, cut)

    def _json(self, value: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self._answer(
            status, json.dumps(value).encode(), {"Content-Type": "application/json", **(headers or {})}
        )

    def _answer(self, status: int, content: bytes, headers: dict[str, str], cut: int | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content if cut is None else content[:cut])
        if cut is not None:
            self.close_connection = True

    def _writer(self) -> None:
        if not self._token():
            raise _Refused(401, "")

    def _token(self) -> str:
        return (self.headers.get("Authorization") or "").removeprefix("Bearer ")


def _blob_id(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
