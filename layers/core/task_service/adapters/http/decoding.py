"""Codings of an answer's body: gzip and deflate, alone or in a list (RFC 9110, 8.4; RFC 9112, 7.2).

Each decoder knows where its data ends, so a body that broke off is no answer, even where its length is right. A coding
that is not known here is refused by name: undecoded, the body would be a wrong result.
"""

import zlib
from collections.abc import Iterable, Iterator
from typing import Final

from task_service.adapters.http.head import BROKEN
from task_service.domain.call import CallRefused

_PIECE: Final = 64 * 1024
"""Bytes that are unpacked at a time, so that a small body cannot fill the memory."""
_MOST_CODINGS: Final = 5
_GZIP: Final = 16 + zlib.MAX_WBITS
_PLAIN: Final = frozenset({"identity", "none"})
"""No coding; `none` is what some servers say instead of nothing."""


def decoded(chunks: Iterable[bytes], codings: list[str]) -> Iterator[bytes]:
    """The body without its codings, which were applied in this order. Raises CallRefused."""
    applied = [coding for coding in codings if coding not in _PLAIN]
    if len(applied) > _MOST_CODINGS:
        raise CallRefused(BROKEN, can_retry=True)
    for coding in reversed(applied):
        if coding in ("gzip", "x-gzip"):
            chunks = _gunzipped(chunks)
        elif coding == "deflate":
            chunks = _inflated(chunks)
        else:
            # The reason is shown to clients, so the name is printable ASCII and short.
            name = ascii(coding[:40])
            raise CallRefused(f"the target's answer has the coding {name}, which cannot be decoded", can_retry=False)
    return _checked(chunks)


def _checked(chunks: Iterable[bytes]) -> Iterator[bytes]:
    try:
        yield from chunks
    except zlib.error as error:
        raise CallRefused(BROKEN, can_retry=True) from error


def _gunzipped(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """One gzip member after the other (RFC 1952, 2.2); zeros after the last one fill it up."""
    decoder = None
    ended = False
    for chunk in chunks:
        rest = chunk
        while rest:
            if decoder is None:
                rest = rest.lstrip(b"\0") if ended else rest
                if not rest:
                    break
                decoder = zlib.decompressobj(_GZIP)
            yield decoder.decompress(rest, _PIECE)
            ended = decoder.eof
            rest = decoder.unused_data if ended else decoder.unconsumed_tail
            decoder = None if ended else decoder
    if decoder is not None:
        yield _end(decoder)


def _inflated(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Deflate in zlib's format, as RFC 9110 has it, or without, as some servers understand it."""
    decoder = None
    start = b""
    for chunk in chunks:
        rest = start + chunk
        if decoder is None:
            if len(rest) < 2:
                start = rest
                continue
            # The check of zlib's header (RFC 1950, 2.2).
            is_zlib = rest[0] & 15 == 8 and (rest[0] * 256 + rest[1]) % 31 == 0
            decoder = zlib.decompressobj(zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS)
            start = b""
        while rest:
            yield decoder.decompress(rest, _PIECE)
            if decoder.unused_data:
                raise CallRefused(BROKEN, can_retry=True)
            rest = decoder.unconsumed_tail
    if start:
        raise CallRefused(BROKEN, can_retry=True)
    if decoder is not None:
        yield _end(decoder)


def _end(decoder: "zlib._Decompress") -> bytes:
    """Take the rest out of a decoder; that is little. Raises CallRefused where the data is not complete."""
    rest = decoder.flush()
    if not decoder.eof:
        raise CallRefused(BROKEN, can_retry=True)
    return rest
