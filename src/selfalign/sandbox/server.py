"""HTTP server of ``selfalign sandbox serve``: offers the sandbox slots of this machine to other hosts.

``POST /run`` with a program as JSON returns its verdict; ``GET /`` returns the runtime, the image and the maximum
limits of a program. Every request carries ``Authorization: Bearer TOKEN``. At most `queue` requests wait or run at a
time; further ones are answered 503 with ``Retry-After``. Traffic is not encrypted: outside of a private network, put a
TLS proxy in front of the server.

Clients do not trust each other, so the server

- gives every request an id of its own, under which the program runs: the client's key only comes back in the answer;
- checks the token and the length of the body before it reads the body, and all limits before a program is queued;
- bounds the number of connections, the time to receive a request and the time to send an answer;
- abandons the program of a client that disconnects, which frees its place in the queue and its slot.
"""

from __future__ import annotations

import hmac
import io
import json
import logging
import math
import re
import select
import socket
import threading
import time
import uuid
from concurrent.futures import wait
from dataclasses import asdict, fields, replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, get_args

from selfalign.core.errors import ConfigError, InfrastructureError, SelfalignError, explain
from selfalign.sandbox.pool import Pool
from selfalign.sandbox.remote import check_token
from selfalign.sandbox.types import Limits, Program, Scope, Verdict

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 64 << 20
MAX_KEY_CHARACTERS = 1 << 10
# Maximum limits of a program. The pool checks memory and processes, whose maxima the operator sets.
MAX_LIMITS = {"wall_s": 3600, "cpu_s": 3600, "open_files": 4096, "file_mb": 1024, "output_kb": 1 << 17}
RETRY_AFTER_S = 1
# Time for an authenticated client to send its next request.
IDLE_S = 300.0
# Time to receive the first request of a connection, whose sender is unknown.
FIRST_REQUEST_S = 10.0
# Time to receive a body, and to send an answer.
TRANSFER_S = 60.0
# Time between two checks whether the client is still connected.
CHECK_S = 0.2
# Connections beyond the queue: of clients that are idle or are told to retry.
SPARE_CONNECTIONS = 64


class SandboxServer(ThreadingHTTPServer):
    """Serve a pool of sandbox slots.

    Args:
        address: host and port; port 0: any free port.
        pool: slots in which the programs run.
        most: maximum memory and processes of a program.
        token: secret that every request must carry.
        queue: maximum number of requests that wait or run at a time.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], pool: Pool, most: Limits, token: str, queue: int) -> None:
        try:
            super().__init__(address, Handler)
        except OSError as error:
            raise ConfigError(
                f"cannot listen on {address[0]}, port {address[1]}: {explain(error) or error}"
            ) from None
        self.pool = pool
        self.most = most
        self.token = token
        self.room = threading.BoundedSemaphore(queue)
        self._connections = threading.BoundedSemaphore(queue + SPARE_CONNECTIONS)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start a thread for a connection; close the connection if there are too many.

        Args:
            request: socket of the connection.
            client_address: address of the client.
        """
        if not self._connections.acquire(blocking=False):
            logger.warning("too many connections: refusing %s", client_address)
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._connections.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve one connection.

        Args:
            request: socket of the connection.
            client_address: address of the client.
        """
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._connections.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - as in the base class
        """Log an error in a connection.

        Args:
            request: not used.
            client_address: address of the client.
        """
        logger.debug("connection of %s failed", client_address, exc_info=True)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: SandboxServer  # pyright: ignore[reportIncompatibleVariableOverride] - its only server

    def setup(self) -> None:
        """Read from the connection with a deadline for the whole request instead of one for each packet."""
        super().setup()
        self._incoming = _DeadlineReader(self.connection)
        self.rfile = io.BufferedReader(self._incoming)
        self._wait_s = FIRST_REQUEST_S

    def handle_one_request(self) -> None:
        """Receive and answer one request."""
        self._incoming.deadline = time.monotonic() + self._wait_s
        super().handle_one_request()

    def do_GET(self) -> None:
        """Describe the server."""
        if not self._is_authorised():
            return
        if self.path != "/":
            self._refuse(HTTPStatus.NOT_FOUND, f"expected GET / or POST /run, found GET {self.path[:100]}")
            return
        pool, most = self.server.pool, self.server.most
        allowed = {"memory_mb": most.memory_mb, "processes": most.processes}
        facts = {"runtime": pool.runtime, "image": pool.image, "environment": pool.environment}
        self._answer(HTTPStatus.OK, {**facts, **allowed})

    def do_POST(self) -> None:
        """Run a program."""
        if not self._is_authorised():
            return
        if self.path != "/run":
            self._refuse(HTTPStatus.NOT_FOUND, f"expected GET / or POST /run, found POST {self.path[:100]}")
            return
        body = self._read_body()
        if body is None:
            return
        try:
            program = read_program(body)
        except ValueError as error:
            self._answer(HTTPStatus.BAD_REQUEST, {"error": str(error)})
            return
        if not self.server.room.acquire(blocking=False):
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, {"error": "the queue is full"})
            return
        try:
            verdict = self._run(program)
        except ConfigError as error:
            self._answer(HTTPStatus.BAD_REQUEST, {"error": str(error)})
        except SelfalignError as error:
            self._answer(HTTPStatus.BAD_GATEWAY, {"error": str(error)})
        except ConnectionError:
            self.close_connection = True
        else:
            self._answer(HTTPStatus.OK, asdict(verdict))
        finally:
            self.server.room.release()

    def log_message(self, format: str, *args: Any) -> None:
        """Log through this module's logger.

        Args:
            format: as in the base class.
            args: as in the base class.
        """
        logger.debug(format, *args)

    def _is_authorised(self) -> bool:
        """Check the token; answer 401 and close the connection, with the body unread, if it is wrong."""
        given = self.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        if hmac.compare_digest(given, f"Bearer {self.server.token}".encode()):
            self._wait_s = IDLE_S
            return True
        self._refuse(HTTPStatus.UNAUTHORIZED, "wrong or missing token")
        return False

    def _read_body(self) -> bytes | None:
        """Return the body; None after an error has been answered."""
        lengths = self.headers.get_all("Content-Length", [])
        if "Transfer-Encoding" in self.headers or not lengths:
            self._refuse(HTTPStatus.LENGTH_REQUIRED, "expected a body with Content-Length")
            return None
        if len(lengths) > 1 or not re.fullmatch("[0-9]{1,20}", lengths[0]):
            self._refuse(HTTPStatus.BAD_REQUEST, "expected one Content-Length, a number of bytes")
            return None
        length = int(lengths[0])
        if length > MAX_BODY_BYTES:
            self._refuse(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"expected at most {MAX_BODY_BYTES} bytes, found {length}",
            )
            return None
        self._incoming.deadline = time.monotonic() + TRANSFER_S
        try:
            body = self.rfile.read(length)
        except TimeoutError:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, f"the body took more than {TRANSFER_S:.0f} s")
            return None
        if len(body) < length:
            self.close_connection = True
            return None
        return body

    def _run(self, program: Program) -> Verdict:
        """Run a program under an id of the server's; abandon it if the client disconnects.

        Raises:
            ConfigError: the program exceeds the maximum limits.
            ConnectionError: the client has disconnected.
            InfrastructureError: the sandbox failed.
        """
        identity = uuid.uuid4().hex
        future = self.server.pool.submit(replace(program, key=identity))
        while not wait([future], CHECK_S).done:
            if _has_disconnected(self.connection):
                self.server.pool.abandon(future)
                raise ConnectionError("the client has disconnected")
        verdict = future.result()
        if verdict.key != identity:
            raise InfrastructureError("the sandbox returned the verdict of another program")
        return replace(verdict, key=program.key)

    def _refuse(self, status: HTTPStatus, error: str) -> None:
        """Answer an error and close the connection, whose unread rest may be a body."""
        self.close_connection = True
        self._answer(status, {"error": error})

    def _answer(self, status: HTTPStatus, content: dict[str, Any]) -> None:
        data = json.dumps(content).encode()
        self.connection.settimeout(TRANSFER_S)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            self.send_header("Retry-After", str(RETRY_AFTER_S))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data)


class _DeadlineReader(io.RawIOBase):
    """Read from a socket until a deadline.

    Args:
        connection: the socket.

    Attributes:
        deadline: time (monotonic clock) after which reading raises TimeoutError.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.deadline = math.inf

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Read into a buffer; return the number of bytes.

        Args:
            buffer: writable buffer.

        Raises:
            TimeoutError: the deadline has passed.
        """
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the request took too long")
        self._connection.settimeout(left)
        return self._connection.recv_into(buffer)


def _has_disconnected(connection: socket.socket) -> bool:
    """Return whether the other side has closed the connection."""
    readable, _, _ = select.select([connection], [], [], 0)
    if not readable:
        return False
    try:
        return connection.recv(1, socket.MSG_PEEK) == b""
    except OSError:
        return True


def read_token(file: Path) -> str:
    """Return the token in a file.

    Args:
        file: text file with the token and nothing else.

    Raises:
        ConfigError: the file is missing, or its text cannot be the token of an HTTP header.
    """
    try:
        token = file.read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        token = ""
    check_token(token, f"{file}: expected a file that contains a token")
    return token


def read_program(body: bytes) -> Program:
    """Return the program of a request.

    Args:
        body: JSON object with ``key``, ``source``, and optionally the other fields of :class:`Program`.

    Raises:
        ValueError: the body has another form, or a limit is too high.
    """
    try:
        request = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"expected JSON: {error}") from None
    if not isinstance(request, dict):
        raise ValueError(f"expected a JSON object, found {type(request).__name__}")
    known = [each.name for each in fields(Program)]
    if unknown := sorted(request.keys() - set(known)):
        raise ValueError(f"unknown field {unknown[0]!r}; expected {', '.join(known)}")
    texts = [request.get("key"), request.get("source"), request.get("stdin", "")]
    for name, text in zip(("key", "source", "stdin"), texts, strict=True):
        if not isinstance(text, str):
            raise ValueError(f"field '{name}': expected a string, found {type(text).__name__}")
    if len(texts[0]) > MAX_KEY_CHARACTERS:
        raise ValueError(f"field 'key': expected at most {MAX_KEY_CHARACTERS} characters")
    limits = None if request.get("limits") is None else _read_limits(request["limits"])
    scope, tests_line = request.get("scope", "module"), request.get("tests_line")
    if scope not in get_args(Scope):
        raise ValueError(f"field 'scope': expected one of {', '.join(get_args(Scope))}")
    if tests_line is not None and (type(tests_line) is not int or tests_line < 1):
        raise ValueError("field 'tests_line': expected null or a positive integer")
    return Program(*texts, limits=limits, scope=scope, tests_line=tests_line)


def _read_limits(given: Any) -> Limits:
    """Return the limits of a request."""
    if not isinstance(given, dict):
        raise ValueError(f"field 'limits': expected an object, found {type(given).__name__}")
    defaults = asdict(Limits())
    if unknown := sorted(given.keys() - defaults.keys()):
        raise ValueError(f"field 'limits': unknown limit {unknown[0]!r}; expected {', '.join(defaults)}")
    for name, value in given.items():
        kinds = (int, float) if isinstance(defaults[name], float) else (int,)
        if type(value) not in kinds:
            expected = " or ".join(kind.__name__ for kind in kinds)
            raise ValueError(f"limit '{name}': expected {expected}, found {type(value).__name__}")
        most = MAX_LIMITS.get(name, math.inf)
        if not 0 < value <= most:
            raise ValueError(f"limit '{name}': expected more than 0 and at most {most}, found {value}")
    return Limits(**given)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
