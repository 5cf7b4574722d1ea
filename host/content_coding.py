"""Compressed request bodies, decoded as API Gateway decodes them before it calls a function: gzip, deflate, identity.

See https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-make-request-with-compressed-payload.html.
"""

import zlib
from collections.abc import Iterable

# zlib's names of the two containers: a gzip header, or zlib's own (RFC 9110, 8.4.1).
_CONTAINERS = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


class UndecodableError(Exception):
    """The coding is not supported, or the body is not encoded with it."""


class DecodedTooLargeError(Exception):
    """The decoded body is larger than allowed."""


def decode(body: bytes, content_encodings: Iterable[str], *, max_bytes: int) -> bytes:
    """The body without its coding, given the values of the Content-Encoding headers.

    Raises UndecodableError and DecodedTooLargeError.
    """
    codings = [name for value in content_encodings for coding in value.split(",") if (name := coding.strip().lower())]
    if not body or codings in ([], ["identity"]):
        return body
    if len(codings) > 1 or codings[0] not in _CONTAINERS:
        raise UndecodableError
    return _inflate(body, _CONTAINERS[codings[0]], max_bytes)


def _inflate(body: bytes, container: int, max_bytes: int) -> bytes:
    decoded = b""
    # A gzip body can have several members, one behind the other (RFC 1952, 2.2).
    while body:
        decoder = zlib.decompressobj(container)
        try:
            decoded += decoder.decompress(body, max_bytes + 1 - len(decoded))
        except zlib.error:
            raise UndecodableError from None
        if len(decoded) > max_bytes:
            raise DecodedTooLargeError
        if not decoder.eof or (decoder.unused_data and container == _CONTAINERS["deflate"]):
            raise UndecodableError
        body = decoder.unused_data
    return decoded
