"""A completions server in this process whose answers a test writes itself."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = tuple[int, dict[str, str], Any]


def completion(*texts: str, finish_reason: Any = "stop") -> Reply:
    """Return a well-formed reply with one choice for each text."""
    choices = [
        {"index": index, "text": text, "finish_reason": finish_reason, "logprobs": None}
        for index, text in enumerate(texts)
    ]
    return 200, {}, {"choices": choices, "usage": {"prompt_tokens": 1, "completion_tokens": len(texts)}}


def error(status: int, message: str, **headers: str) -> Reply:
    """Return an error reply; underscores in the names of headers stand for hyphens."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, names, {"error": {"message": message, "code": str(status)}}


class ScriptedServer:
    """Lists the model ``base`` and answers each request for completions with ``reply(body)``. A context manager.

    Args:
        reply: from the request's body to status, headers and body (text is sent as it is, all else as JSON).

    Attributes:
        url: the base URL.
        requests: headers and body of every request for completions so far.
    """

    def __init__(self, reply: Callable[[dict[str, Any]], Reply]) -> None:
        self.requests: list[tuple[dict[str, str], dict[str, Any]]] = []
        scripted = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._send(200, {}, {"object": "list", "data": [{"id": "base", "object": "model"}]})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                scripted.requests.append((dict(self.headers), body))
                self._send(*reply(body))

            def _send(self, status: int, headers: dict[str, str], value: Any) -> None:
                data = value.encode() if isinstance(value, str) else json.dumps(value).encode()
                self.send_response(status)
                fixed = {"Content-Type": "application/json", "Content-Length": str(len(data))}
                for name, text in {**fixed, **headers}.items():
                    self.send_header(name, text)
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """The bodies of the requests so far."""
        return [body for _, body in self.requests]

    def __enter__(self) -> ScriptedServer:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
