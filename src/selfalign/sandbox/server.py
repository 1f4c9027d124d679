"""``selfalign sandbox serve``: the slots of this machine for other hosts, over HTTP.

``POST /run`` with a program as JSON answers its verdict; ``GET /`` says runtime, image and the most a program may use.
Every request carries ``Authorization: Bearer TOKEN``. At most `queue` requests wait for a slot: more are answered 503
with ``Retry-After``, and the client waits. Traffic is not encrypted: for other than a private network put TLS before it.
"""

from __future__ import annotations

import hmac
import json
import logging
import threading
from dataclasses import asdict
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from selfalign.core.errors import ConfigError, SelfalignError
from selfalign.sandbox.pool import Pool
from selfalign.sandbox.types import Limits, Program

logger = logging.getLogger(__name__)

LARGEST = 64 << 20  # bytes of a request
RETRY_AFTER_S = 1
IDLE_S = 300.0


class SandboxServer(ThreadingHTTPServer):
    """Serves `pool`.

    Args:
        address: host and port; port 0 for a free one.
        pool: where programs run.
        most: limits that no program may exceed in memory and processes.
        token: what requests must carry.
        queue: requests that may wait or run at a time.
    """

    daemon_threads = True

    def __init__(self, address: tuple[str, int], pool: Pool, most: Limits, token: str, queue: int) -> None:
        super().__init__(address, Handler)
        self.pool = pool
        self.most = most
        self.token = token
        self.room = threading.BoundedSemaphore(queue)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    timeout = IDLE_S
    server: SandboxServer  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        """Say what is served."""
        if self._allowed():
            pool, most = self.server.pool, self.server.most
            allowed = {"memory_mb": most.memory_mb, "processes": most.processes}
            self._answer(HTTPStatus.OK, {"runtime": pool.runtime, "image": pool.image, **allowed})

    def do_POST(self) -> None:
        """Run a program."""
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > LARGEST:
            self.close_connection = True
            self._answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, {"error": "no length, or too long"})
            return
        body = self.rfile.read(int(length))
        if not self._allowed():
            return
        try:
            program = program_of(json.loads(body))
        except (ValueError, TypeError, KeyError) as error:
            self._answer(HTTPStatus.BAD_REQUEST, {"error": f"not a program: {error}"})
            return
        if not self.server.room.acquire(blocking=False):
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, {"error": "the queue is full"})
            return
        try:
            (verdict,) = self.server.pool.run([program])
        except ConfigError as error:
            self._answer(HTTPStatus.BAD_REQUEST, {"error": str(error)})
        except SelfalignError as error:
            self._answer(HTTPStatus.BAD_GATEWAY, {"error": str(error)})
        else:
            self._answer(HTTPStatus.OK, asdict(verdict))
        finally:
            self.server.room.release()

    def log_message(self, format: str, *args: Any) -> None:
        """Log through our own logger (`format` and `args` as in the base class)."""
        logger.debug(format, *args)

    def _allowed(self) -> bool:
        given = self.headers.get("Authorization", "").encode()
        if hmac.compare_digest(given, f"Bearer {self.server.token}".encode()):
            return True
        self._answer(HTTPStatus.UNAUTHORIZED, {"error": "wrong or no token"})
        return False

    def _answer(self, status: HTTPStatus, content: dict[str, Any]) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            self.send_header("Retry-After", str(RETRY_AFTER_S))
        self.end_headers()
        self.wfile.write(data)


def program_of(request: Any) -> Program:
    """Return the program of a request.

    Args:
        request: decoded JSON.

    Raises:
        ValueError, TypeError, KeyError: it is none.
    """
    texts = [request["key"], request["source"], request.get("stdin", "")]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("key, source and stdin are strings")
    limits = Limits(**request["limits"]) if request.get("limits") else None
    if limits and not all(isinstance(value, int | float) and value > 0 for value in asdict(limits).values()):
        raise ValueError("limits are positive numbers")
    return Program(*texts, limits=limits)
