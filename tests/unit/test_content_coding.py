"""Compressed request bodies in the local cloud: decoded as API Gateway does, or refused."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.content_coding import DecodedTooLargeError, UndecodableError, decode
from tests.support.codings import gzipped

BODY = b'{"a": 1}'
LIMIT = 10_000


@given(st.binary(max_size=300))
def test_what_is_understood_is_decoded(body: bytes) -> None:
    for encoded, codings in (
        (gzipped(body), ["gzip"]),
        (gzipped(body), [" GZip "]),
        (gzipped(body) + gzipped(body), ["gzip"]),
        (zlib.compress(body), ["deflate"]),
        (body, ["identity"]),
        (body, []),
        (body, [""]),
    ):
        assert decode(encoded, codings, max_bytes=LIMIT) in (body, body + body)


@pytest.mark.parametrize(
    ("body", "codings"),
    [
        (BODY, ["br"]),
        (BODY, ["zstd"]),
        (BODY, ["x-unknown"]),
        (gzipped(BODY), ["gzip, gzip"]),
        (gzipped(BODY), ["gzip", "gzip"]),
        (gzipped(BODY), ["identity, gzip"]),
        (BODY, ["gzip"]),
        (BODY, ["deflate"]),
        (gzipped(BODY), ["deflate"]),
        (zlib.compress(BODY), ["gzip"]),
        (gzipped(BODY)[:-1], ["gzip"]),
        (gzipped(BODY)[:12], ["gzip"]),
        (gzipped(BODY) + b"rest", ["gzip"]),
        (zlib.compress(BODY)[:-1], ["deflate"]),
        (zlib.compress(BODY) + b"rest", ["deflate"]),
    ],
)
def test_what_is_not_understood_is_refused(body: bytes, codings: list[str]) -> None:
    with pytest.raises(UndecodableError):
        decode(body, codings, max_bytes=LIMIT)


def test_no_body_has_no_coding() -> None:
    assert decode(b"", ["br"], max_bytes=LIMIT) == b""


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_body_is_decoded_up_to_a_bound(coding: str) -> None:
    compress = gzipped if coding == "gzip" else zlib.compress
    assert len(decode(compress(bytes(LIMIT)), [coding], max_bytes=LIMIT)) == LIMIT
    for size in (LIMIT + 1, 100_000_000):
        with pytest.raises(DecodedTooLargeError):
            decode(compress(bytes(size)), [coding], max_bytes=LIMIT)
    with pytest.raises(DecodedTooLargeError):
        decode(gzipped(bytes(LIMIT)) * 2, ["gzip"], max_bytes=LIMIT)
