"""A process that starts a container, relays its standard streams, and removes it when it ends itself.

``python -m selfalign.sandbox.bridge run ADDRESS CONTAINER`` creates and starts a container (the ``docker`` SDK's
arguments as JSON) and removes it when standard input closes, which also happens when the supervisor is killed.
``... remove ADDRESS NAME`` removes it if it is still there.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import socket
import struct
import sys
from typing import TYPE_CHECKING, Any

from selfalign.sandbox.engines import connect

if TYPE_CHECKING:
    from docker import DockerClient

HEADER = struct.Struct(">BxxxL")  # Engine API, "attach to a container", stream format
STDERR = 2
READ_BYTES = 1 << 16


def run(client: DockerClient, arguments: dict[str, Any]) -> None:
    """Create and start a container and relay its streams until either side ends.

    Args:
        client: of the engine.
        arguments: of ``client.containers.create``.
    """
    from docker.errors import APIError

    container = client.containers.create(**arguments)
    try:
        attached: Any = container.attach_socket(params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
        container.start()
        relay(getattr(attached, "_sock", attached))
    finally:
        with contextlib.suppress(APIError):
            container.remove(force=True)


def relay(connection: socket.socket) -> None:
    """Pass bytes both ways until either side is at its end.

    Args:
        connection: attached to the container.
    """
    buffer = bytearray()
    connection.setblocking(True)
    with selectors.DefaultSelector() as selector:
        selector.register(0, selectors.EVENT_READ)
        selector.register(connection, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                piece = os.read(0, READ_BYTES) if key.fd == 0 else connection.recv(READ_BYTES)
                if not piece:
                    return
                if key.fd == 0:
                    connection.sendall(piece)
                else:
                    buffer += piece
                    write_frames(buffer)


def write_frames(buffer: bytearray) -> None:
    """Write the whole frames of a buffer to our standard streams, and leave the rest in it.

    Args:
        buffer: bytes from the container, in the engine's stream format.
    """
    while len(buffer) >= HEADER.size:
        stream, length = HEADER.unpack_from(buffer)
        if len(buffer) < HEADER.size + length:
            return
        view = memoryview(bytes(buffer[HEADER.size : HEADER.size + length]))
        while view:
            view = view[os.write(2 if stream == STDERR else 1, view) :]
        del buffer[: HEADER.size + length]


def remove(client: DockerClient, name: str) -> None:
    """Remove a container if it is there.

    Args:
        client: of the engine.
        name: the container's.
    """
    from docker.errors import APIError

    with contextlib.suppress(APIError):
        client.containers.get(name).remove(force=True)


def main() -> int:
    """Do what the command line says."""
    command, address, argument = sys.argv[1:]
    try:
        client = connect(address)
        if command == "run":
            run(client, json.loads(argument))
        else:
            remove(client, argument)
    except Exception as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
