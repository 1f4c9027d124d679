"""A local HTTP server for tests of downloads: right, wrong, truncated, slow and stalled content, redirects, errors, a proxy."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Served:
    """A file and how it is served.

    Attributes:
        content: the whole file.
        statuses: answered first, one a request, instead of the file (with ``Retry-After: 0``).
        cut_at: the first transfer ends after this many bytes.
        stall_at: the first transfer stops after this many bytes, without ending.
        pause_s: pause after each of ten pieces.
        ranges: whether a range of the file can be asked for.
        redirect: path that is redirected to instead.
    """

    content: bytes = b""
    statuses: list[int] = field(default_factory=list)
    cut_at: int | None = None
    stall_at: int | None = None
    pause_s: float = 0.0
    ranges: bool = True
    redirect: str | None = None


class FileServer:
    """Serves ``files`` by path; keeps (path, Range header) of every request in ``requests``."""

    def __init__(self) -> None:
        self.files: dict[str, Served] = {}
        self.requests: list[tuple[str, str | None]] = []
        self.released = threading.Event()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def serve(self) -> None:
        """Answer requests until :meth:`close`."""
        self._http.serve_forever(poll_interval=0.05)

    def close(self) -> None:
        """Stop."""
        self.released.set()
        self._http.shutdown()
        self._http.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                # A proxy is asked by the whole address.
                path = self.path if self.path.startswith("/") else "/proxied/" + self.path
                asked = self.headers.get("Range")
                server.requests.append((path, asked))
                served = server.files.get(path)
                if served is None:
                    self._end(404)
                elif served.redirect is not None:
                    self._end(302, Location=served.redirect)
                elif served.statuses:
                    self._end(served.statuses.pop(0), **{"Retry-After": "0"})
                else:
                    self._send(served, asked)

            def _end(self, status: int, **headers: str) -> None:
                self.send_response(status)
                for name, value in {**headers, "Content-Length": "0"}.items():
                    self.send_header(name, value)
                self.end_headers()

            def _send(self, served: Served, asked: str | None) -> None:
                start = 0
                if asked and served.ranges and self.headers.get("If-Range") == '"v1"':
                    start = int(asked.removeprefix("bytes=").removesuffix("-"))
                body = served.content[start:]
                self.send_response(206 if start else 200)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("ETag", '"v1"')
                if start:
                    end = len(served.content)
                    self.send_header("Content-Range", f"bytes {start}-{end - 1}/{end}")
                self.end_headers()
                limit = served.cut_at if served.cut_at is not None else served.stall_at
                if limit is not None:
                    stalls = served.stall_at is not None
                    served.cut_at = served.stall_at = None
                    self.wfile.write(body[:limit])
                    self.wfile.flush()
                    if stalls:
                        server.released.wait(30)
                    self.close_connection = True
                    return
                step = max(1, len(body) // 10)
                for position in range(0, len(body), step):
                    self.wfile.write(body[position : position + step])
                    self.wfile.flush()
                    time.sleep(served.pause_s)

            def log_message(self, *_: object) -> None:
                """Write nothing."""

        return Handler


@contextmanager
def file_server() -> Iterator[FileServer]:
    """Run a server for the time of a block."""
    server = FileServer()
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join()
