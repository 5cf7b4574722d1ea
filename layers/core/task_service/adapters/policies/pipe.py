"""The messages between the service and the process that evaluates its policies, each of several parts."""

import socket
import struct
from collections.abc import Callable, Sequence
from typing import Final

MAX_PART_BYTES: Final = 8_000_000
"""More than the largest input or result."""

TimeLeft = Callable[[], float | None]
"""The seconds that are left, None for ever. Raises TimeoutError at the end."""

_COUNT: Final = struct.Struct("!B")


def send(connection: socket.socket, parts: Sequence[bytes], left: TimeLeft) -> None:
    """Send a message. Raises OSError, also TimeoutError."""
    header = _COUNT.pack(len(parts)) + struct.pack(f"!{len(parts)}I", *map(len, parts))
    connection.settimeout(left())
    connection.sendall(b"".join((header, *parts)))


def receive(connection: socket.socket, left: TimeLeft) -> list[bytes]:
    """The next message. Raises EOFError where the other side has gone, and OSError, also TimeoutError."""
    (count,) = _COUNT.unpack(_exactly(connection, _COUNT.size, left))
    lengths = struct.unpack(f"!{count}I", _exactly(connection, 4 * count, left))
    if max(lengths, default=0) > MAX_PART_BYTES:
        raise EOFError
    return [_exactly(connection, length, left) for length in lengths]


def _exactly(connection: socket.socket, length: int, left: TimeLeft) -> bytes:
    data = bytearray(length)
    view, received = memoryview(data), 0
    while received < length:
        connection.settimeout(left())
        count = connection.recv_into(view[received:])
        if not count:
            raise EOFError
        received += count
    return bytes(data)
