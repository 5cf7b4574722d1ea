"""The body of an answer: how long it is (RFC 9112, 6.3), and its bytes."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from task_service.adapters.http.head import BROKEN, Head
from task_service.adapters.http.stream import Stream
from task_service.domain.call import CallRefused

_READ: Final = 64 * 1024
_MAX_LINE: Final = 16 * 1024
"""Of a chunk's size with its extensions, and of a trailer."""
_LENGTH: Final = re.compile(r"[0-9]{1,18}")
_CHUNK: Final = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\n]*)?\r?\n")


@dataclass(frozen=True, kw_only=True, slots=True)
class Framing:
    """The end of a body: after `length` bytes, after the last chunk, or else with the connection."""

    length: int | None = None
    """Its length in bytes."""
    is_chunked: bool = False
    codings: tuple[str, ...] = ()
    """Transfer codings that are applied before the chunks."""

    @property
    def ends_with_the_connection(self) -> bool:
        """The end of the connection is the only end of the body."""
        return self.length is None and not self.is_chunked


def framing_of(head: Head, method: str) -> Framing:
    """Find the end of the body of an answer to `method`. Raises CallRefused if its header is wrong."""
    if method == "HEAD" or head.status in (204, 304):
        return Framing(length=0)
    if head.fault:
        raise CallRefused(head.fault, can_retry=False)
    codings = [coding for coding in head.items("transfer-encoding") if coding != "identity"]
    if codings:
        is_chunked = codings[-1] == "chunked"
        return Framing(is_chunked=is_chunked, codings=tuple(codings[:-1] if is_chunked else codings))
    lengths = set(head.items("content-length"))
    if not lengths:
        return Framing()
    length = lengths.pop()
    if lengths or _LENGTH.fullmatch(length) is None:
        raise CallRefused(BROKEN, can_retry=True)
    return Framing(length=int(length))


def read_body(stream: Stream, framing: Framing) -> Iterator[bytes]:
    """The bytes of a body as they come, without chunks. Raises CallRefused where it breaks off."""
    if framing.is_chunked:
        return _read_chunks(stream)
    return _read_to_the_end(stream) if framing.length is None else _read_length(stream, framing.length)


def _read_length(stream: Stream, length: int) -> Iterator[bytes]:
    while length:
        data = stream.read(min(length, _READ))
        if not data:
            raise CallRefused(BROKEN, can_retry=True)
        length -= len(data)
        yield data


def _read_to_the_end(stream: Stream) -> Iterator[bytes]:
    while data := stream.read(_READ):
        yield data
    if stream.was_cut:
        # Nothing else says where the body ends (RFC 9112, 9.8).
        raise CallRefused(BROKEN, can_retry=True)


def _read_chunks(stream: Stream) -> Iterator[bytes]:
    while True:
        found = _CHUNK.fullmatch(stream.read_line(_MAX_LINE))
        if found is None:
            raise CallRefused(BROKEN, can_retry=True)
        size = int(found[1], 16)
        if not size:
            _skip_trailers(stream)
            return
        yield from _read_length(stream, size)
        if stream.read_line(2) not in (b"\r\n", b"\n"):
            raise CallRefused(BROKEN, can_retry=True)


def _skip_trailers(stream: Stream) -> None:
    # They say nothing that this client needs.
    while (line := stream.read_line(_MAX_LINE)) not in (b"\r\n", b"\n"):
        if not line.endswith(b"\n"):
            raise CallRefused(BROKEN, can_retry=True)
