"""Codings of a body: decoded where they are known and complete, refused by name where they are not."""

import zlib

import pytest

from task_service.adapters.http.client import HttpClient
from task_service.adapters.http.head import BROKEN
from tests.support.behaviours import answer, raw, raw_and_stay
from tests.support.codings import gzipped
from tests.support.http_calls import call, refused
from tests.support.targets import HttpTarget

TEXT = b'{"pi": 3.' + b"14159265358979" * 500 + b"}"
GZIP = gzipped(TEXT)
ZLIB = zlib.compress(TEXT)
RAW_DEFLATE = ZLIB[2:-4]


def coded(body: bytes, *codings: str) -> tuple[bytes, list[tuple[str, str]]]:
    return body, [("Content-Encoding", coding) for coding in codings]


COMPLETE: dict[str, tuple[bytes, list[tuple[str, str]]]] = {
    "gzip": coded(GZIP, "gzip"),
    "x-gzip": coded(GZIP, "x-gzip"),
    "GZip in capitals": coded(GZIP, " GZip "),
    "gzip in two members": coded(gzipped(TEXT[:9]) + gzipped(TEXT[9:]), "gzip"),
    "gzip with zeros after it": coded(GZIP + bytes(512), "gzip"),
    "gzip in gzip in two lines": coded(gzipped(GZIP), "gzip", "gzip"),
    "deflate": coded(ZLIB, "deflate"),
    "deflate without zlib's header": coded(RAW_DEFLATE, "deflate"),
    "deflate in gzip": coded(gzipped(ZLIB), "deflate, gzip"),
    "gzip in deflate": coded(zlib.compress(GZIP), "gzip,deflate"),
    "identity": coded(TEXT, "identity"),
    "identity and gzip": coded(GZIP, "identity, gzip"),
    "gzip and identity": coded(GZIP, "gzip , identity"),
    "gzip among empty elements": coded(GZIP, ", gzip,,"),
    "nothing": coded(TEXT, ""),
}


@pytest.mark.parametrize("case", COMPLETE)
def test_what_is_known_and_complete_is_decoded(target: HttpTarget, client: HttpClient, case: str) -> None:
    body, headers = COMPLETE[case]

    assert call(client, target.on("/a", answer(body=body, headers=headers))).result == TEXT.decode()


@pytest.mark.parametrize("missing", [1, 4, 8, 15, 50])
@pytest.mark.parametrize(
    ("body", "coding"),
    [(GZIP, "gzip"), (ZLIB, "deflate"), (RAW_DEFLATE, "deflate"), (gzipped(ZLIB), "deflate, gzip")],
    ids=["gzip", "zlib", "raw deflate", "deflate in gzip"],
)
def test_what_has_lost_its_end_is_a_failed_attempt(
    target: HttpTarget, client: HttpClient, body: bytes, coding: str, missing: int
) -> None:
    # Its Content-Length is that of what is left.
    body, headers = coded(body[:-missing], coding)

    refusal = refused(client, target.on("/a", answer(body=body, headers=headers)))

    assert (refusal.reason, refusal.can_retry, refusal.response_code) == (BROKEN, True, 200)


DAMAGED: dict[str, tuple[bytes, list[tuple[str, str]]]] = {
    "an inner end is missing": coded(gzipped(GZIP[:-8]), "gzip, gzip"),
    "an outer end is missing": coded(gzipped(GZIP)[:-8], "gzip, gzip"),
    "the second member's end is missing": coded(gzipped(b"1") + gzipped(b"2")[:-5], "gzip"),
    "text after gzip": coded(GZIP + b"text", "gzip"),
    "text after deflate": coded(ZLIB + b"text", "deflate"),
    "text after raw deflate": coded(RAW_DEFLATE + b"text", "deflate"),
    "only the beginning of gzip": coded(GZIP[:5], "gzip"),
    "one byte of deflate": coded(b"x", "deflate"),
    "text that says gzip": coded(TEXT, "gzip"),
    "text that says deflate": coded(TEXT, "deflate"),
    "a wrong checksum of deflate": coded(ZLIB[:-1] + bytes([ZLIB[-1] ^ 1]), "deflate"),
    "a wrong length of gzip": coded(GZIP[:-1] + b"\1", "gzip"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_what_is_damaged_is_a_failed_attempt(target: HttpTarget, client: HttpClient, case: str) -> None:
    body, headers = DAMAGED[case]

    refusal = refused(client, target.on("/a", answer(body=body, headers=headers)))

    assert (refusal.reason, refusal.can_retry) == (BROKEN, True)


@pytest.mark.parametrize("chunk", [1, 7, 1_000])
def test_a_coding_in_chunks_is_checked_too(target: HttpTarget, client: HttpClient, chunk: int) -> None:
    def chunked(body: bytes) -> bytes:
        parts = [body[start : start + chunk] for start in range(0, len(body), chunk)]
        head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
        return head + b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"

    assert call(client, target.on("/a", raw_and_stay(chunked(GZIP)))).result == TEXT.decode()
    assert refused(client, target.on("/a", raw_and_stay(chunked(GZIP[:-3])))).reason == BROKEN


@pytest.mark.parametrize(
    ("codings", "named"),
    [
        (["br"], "br"),
        (["zstd"], "zstd"),
        (["compress"], "compress"),
        (["gzip, br"], "br"),
        (["br", "gzip"], "br"),
        (["identity, zstd"], "zstd"),
        (["aes128gcm"], "aes128gcm"),
        (["gzip;q=1"], "gzip;q=1"),
        (["UTF-8"], "utf-8"),
    ],
)
def test_a_coding_that_is_not_known_fails_at_once_and_is_named(
    target: HttpTarget, client: HttpClient, codings: list[str], named: str
) -> None:
    body, headers = coded(GZIP, *codings)

    refusal = refused(client, target.on("/a", answer(body=body, headers=headers)))

    assert refusal.reason == f"the target's answer has the coding '{named}', which cannot be decoded"
    assert (refusal.can_retry, refusal.response_code) == (False, 200)


def test_a_coding_that_is_not_known_does_not_hide_that_the_target_asks_for_time(
    target: HttpTarget, client: HttpClient
) -> None:
    busy = answer(503, b"rubbish", headers={"Content-Encoding": "br", "Retry-After": "9"})

    refusal = refused(client, target.on("/a", busy))

    assert (refusal.can_retry, refusal.response_code, refusal.retry_after) == (True, 503, "9")


@pytest.mark.parametrize("status", [204, 304])
def test_without_a_body_a_coding_says_nothing(target: HttpTarget, client: HttpClient, status: int) -> None:
    assert call(client, target.on("/a", answer(status, b"", headers={"Content-Encoding": "br"}))).result == "null"
    assert call(client, target.on("/b", answer(200, b"", headers={"Content-Encoding": "gzip"}))).result == "null"


# -- transfer codings

CHUNKS = b"1\r\n7\r\n0\r\n\r\n"


def transferred(codings: bytes, body: bytes, *, more: bytes = b"") -> bytes:
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: " + codings + b"\r\n" + more + b"\r\n" + body


def in_one_chunk(body: bytes) -> bytes:
    return b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


@pytest.mark.parametrize(
    ("codings", "body"),
    [
        (b"chunked", CHUNKS),
        (b"Chunked", CHUNKS),
        (b"identity, chunked", CHUNKS),
        (b", chunked,", CHUNKS),
        (b"gzip, chunked", in_one_chunk(gzipped(b"7"))),
        (b"deflate, chunked", in_one_chunk(zlib.compress(b"7"))),
        (b"chunked\r\nContent-Length: 3", CHUNKS),
        (b"chunked\r\nContent-Encoding: gzip", in_one_chunk(gzipped(b"7"))),
        (b"gzip, chunked\r\nContent-Encoding: deflate", in_one_chunk(gzipped(zlib.compress(b"7")))),
    ],
)
def test_transfer_codings_that_are_known_are_decoded(
    target: HttpTarget, client: HttpClient, codings: bytes, body: bytes
) -> None:
    assert call(client, target.on("/a", raw_and_stay(transferred(codings, body))), budget=2).result == "7"


@pytest.mark.parametrize(("coding", "body"), [(b"gzip", gzipped(b"7")), (b"identity", b"7")])
def test_without_chunks_a_body_ends_with_the_connection(
    target: HttpTarget, client: HttpClient, coding: bytes, body: bytes
) -> None:
    assert call(client, target.on("/a", raw(transferred(coding, body)))).result == "7"


@pytest.mark.parametrize(
    ("codings", "named"),
    [
        (b"xchunked", "xchunked"),
        (b"x-chunked, chunked", "x-chunked"),
        (b"br, chunked", "br"),
        (b"chunked, chunked", "chunked"),
        (b"chunked, gzip", "chunked"),
        (b"chunked;q=1", "chunked;q=1"),
        (b"gzip\r\nTransfer-Encoding: zstd", "zstd"),
    ],
)
def test_a_transfer_coding_that_is_not_known_fails_at_once_and_is_named(
    target: HttpTarget, client: HttpClient, codings: bytes, named: str
) -> None:
    refusal = refused(client, target.on("/a", raw_and_stay(transferred(codings, CHUNKS))), budget=2)

    assert refusal.reason == f"the target's answer has the coding '{named}', which cannot be decoded"
    assert not refusal.can_retry


# -- lengths


@pytest.mark.parametrize("lengths", [b"1, 1", b"1\r\nContent-Length: 1", b"01"])
def test_a_length_may_be_said_twice(target: HttpTarget, client: HttpClient, lengths: bytes) -> None:
    url = target.on("/a", raw_and_stay(b"HTTP/1.1 200 OK\r\nContent-Length: " + lengths + b"\r\n\r\n7"))

    assert call(client, url, budget=2).result == "7"


@pytest.mark.parametrize(
    "lengths",
    [b"1, 2", b"1\r\nContent-Length: 2", b"-1", b"+1", b"1_0", b"0x1", b"1.0", b"one", b"9" * 30, b"\xb2"],
)
def test_a_length_that_is_none_is_a_failed_attempt(target: HttpTarget, client: HttpClient, lengths: bytes) -> None:
    url = target.on("/a", raw_and_stay(b"HTTP/1.1 200 OK\r\nContent-Length: " + lengths + b"\r\n\r\n7"))

    refusal = refused(client, url, budget=2)

    assert (refusal.reason, refusal.can_retry) == (BROKEN, True)


@pytest.mark.parametrize("size", [b"+1", b"0x1", b"1_0", b" 1", b"-1", b"", b"g", b"1 1", b"1\rX"])
def test_a_chunk_whose_size_is_none_is_a_failed_attempt(target: HttpTarget, client: HttpClient, size: bytes) -> None:
    url = target.on("/a", raw(transferred(b"chunked", size + b"\r\n7\r\n0\r\n\r\n")))

    assert refused(client, url).reason == BROKEN


@pytest.mark.parametrize("end", [b"", b"8\r\n", b"\r\n\r\n", b"\n\r\n"])
def test_a_chunk_of_another_size_than_it_says_is_a_failed_attempt(
    target: HttpTarget, client: HttpClient, end: bytes
) -> None:
    url = target.on("/a", raw(transferred(b"chunked", b"1\r\n7" + end + b"0\r\n\r\n")))

    assert refused(client, url).reason == BROKEN
