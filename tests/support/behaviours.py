"""What targets do when they are called, well or badly; for `tests.support.targets.HttpTarget.on`."""

import gzip
import itertools
import json
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

from tests.support.wire import Behaviour, Wire

_FOREVER: Final = 60.0
"""Seconds; longer than any test."""


def response(
    status: int = 200,
    body: bytes = b"",
    *,
    content_type: str | None = "application/json",
    headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
    length: int | None = None,
) -> bytes:
    """The bytes of an HTTP response; `length`: what its Content-Length claims, where that is not the truth."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Unknown"
    fields = [] if content_type is None else [("Content-Type", content_type)]
    fields += headers.items() if isinstance(headers, Mapping) else headers
    if status not in (204, 304):
        fields.append(("Content-Length", str(len(body) if length is None else length)))
    head = "".join(f"{name}: {value}\r\n" for name, value in fields)
    return f"HTTP/1.1 {status} {phrase}\r\n{head}\r\n".encode("latin-1") + body


# -- answering


def answer(
    status: int = 200,
    body: bytes = b"{}",
    *,
    content_type: str | None = "application/json",
    headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
    after: float = 0,
) -> Behaviour:
    """Answers, `after` so many seconds."""
    data = response(status, body, content_type=content_type, headers=headers)

    def behave(wire: Wire) -> None:
        if after:
            wire.pause(after)
        wire.finish(data[: len(data) - len(body)] if wire.call.method == "HEAD" else data)

    return behave


def echo(wire: Wire) -> None:
    """Answers with what it was sent, as JSON: method, path, headers, body."""
    seen: dict[str, Any] = {
        "method": wire.call.method,
        "path": wire.call.path,
        "headers": dict(wire.call.headers.items()),
        "body": wire.call.body.decode(),
    }
    wire.finish(response(200, b"" if wire.call.method == "HEAD" else json.dumps(seen).encode()))


def redirect(
    location: str, status: int = 302, *, headers: Mapping[str, str] | None = None, after: float = 0
) -> Behaviour:
    """Redirects, `after` so many seconds."""
    return answer(status, b"", headers={"Location": location, **(headers or {})}, content_type=None, after=after)


def in_turn(*behaviours: Behaviour) -> Behaviour:
    """One behaviour after the other, one a call; the last one stays."""
    calls = itertools.count()

    def behave(wire: Wire) -> None:
        behaviours[min(next(calls), len(behaviours) - 1)](wire)

    return behave


def failing(times: int, then: Behaviour, *, status: int = 500) -> Behaviour:
    """Answers `status` so many times, then behaves."""
    return in_turn(*[answer(status, b'"not yet"')] * times, then)


def hang(then: Behaviour | None = None, *, seconds: float = _FOREVER) -> Behaviour:
    """Answers nothing until the target is told to release, or so many seconds have passed; then behaves."""

    def behave(wire: Wire) -> None:
        wire.wait_for_release(seconds)
        (then or answer())(wire)

    return behave


# -- connections that end


def close(wire: Wire) -> None:
    """Closes the connection without an answer."""
    wire.close()


def reset(wire: Wire) -> None:
    """Resets the connection."""
    wire.reset()


# -- answers that are none


def raw(data: bytes) -> Behaviour:
    """Sends `data`, HTTP or not, and closes the connection."""

    def behave(wire: Wire) -> None:
        wire.finish(data)
        wire.close()

    return behave


def raw_and_stay(data: bytes) -> Behaviour:
    """Sends `data` and keeps the connection open: an answer that does not say where it ends never does."""
    return lambda wire: wire.finish(data)


def stream(start: bytes, parts: Iterable[bytes], *, every: float = 0) -> Behaviour:
    """Sends `start`, then part after part, one every so many seconds."""

    def behave(wire: Wire) -> None:
        wire.send(start)
        for part in parts:
            wire.pause(every)
            wire.send(part)
        wire.close()

    return behave


def garbage(wire: Wire) -> None:
    """Answers something that is not HTTP."""
    raw(b"220 mail.example ESMTP\r\n" + bytes(range(256)))(wire)


def drip_header(every: float = 0.2) -> Behaviour:
    """Sends a header that never ends, a byte at a time."""
    return stream(b"HTTP/1.1 200 OK\r\nX-Slow: ", itertools.repeat(b"a"), every=every)


def drip_body(every: float = 0.2) -> Behaviour:
    """Sends a body that never ends, a byte at a time."""
    return stream(response(body=b"[", length=1_000_000), itertools.repeat(b" "), every=every)


def short_body(wire: Wire) -> None:
    """Sends less than it has announced, then closes."""
    raw(response(body=b'{"a":', length=100))(wire)


# -- encodings

_CHUNKED: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunks(*parts: bytes) -> Behaviour:
    """Answers in chunks."""
    data = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    return lambda wire: wire.finish(_CHUNKED + data + b"0\r\n\r\n")


def bad_chunks(data: bytes = b"nonsense\r\n{}\r\n") -> Behaviour:
    """Announces chunks and sends something else."""
    return raw(_CHUNKED + data)


def compressed(body: bytes, *, times: int = 1, **rest: Any) -> Behaviour:
    """Answers with a body that is compressed, several times over."""
    for _ in range(times):
        body = gzip.compress(body, mtime=0)
    return answer(body=body, headers={"Content-Encoding": ", ".join(["gzip"] * times)}, **rest)


def corrupt_gzip(wire: Wire) -> None:
    """Answers with a body whose compression is damaged: its checksum is wrong."""
    body = bytearray(gzip.compress(b'{"a":1}', mtime=0))
    body[-8] ^= 0xFF
    answer(body=bytes(body), headers={"Content-Encoding": "gzip"})(wire)


def gzip_bomb(megabytes: int = 100, *, times: int = 1) -> Behaviour:
    """Answers with little that becomes very much."""
    return compressed(bytes(megabytes * 1_000_000), times=times)
