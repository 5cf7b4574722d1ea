"""A call ends in time, with bounded memory, and with a reason that names no address, however a target misbehaves."""

import itertools
import os
import time
import tracemalloc
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from task_service.adapters.http.client import HttpClient
from task_service.adapters.http.connections import Dialler
from task_service.adapters.http.egress import Egress
from task_service.domain import json_text
from task_service.domain.call import CallRefused
from tests.support import behaviours
from tests.support.behaviours import answer, bad_chunks, drip_header, gzip_bomb, raw, response, stream
from tests.support.builders import NOW
from tests.support.http_calls import TOLERANCE, call, refused
from tests.support.targets import HttpTarget
from tests.support.wire import Behaviour

BROKEN = "the target's answer broke off or is not valid HTTP"
TOO_MUCH = f"the target answered with more than {json_text.MAX_BYTES} bytes"
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
MEGABYTE = bytes(1_000_000).replace(b"\0", b"a")


# -- connections and answers that break

FAULTS: dict[str, tuple[Behaviour, str]] = {
    "closes": (behaviours.close, "the target closed the connection without an answer"),
    "resets": (behaviours.reset, "the target reset the connection"),
    "is no HTTP": (behaviours.garbage, BROKEN),
    "is HTTP/2": (raw(b"\0\0\6\4\0\0\0\0\0\0\5\0\0@\0"), BROKEN),
    "is HTTP of another age": (raw(b"HTTP/9.9 200 OK\r\n\r\n"), BROKEN),
    "has no such status": (raw(b"HTTP/1.1 OK\r\n\r\n"), BROKEN),
    "breaks off in its status": (raw(b"HTTP/1.1 200"), BROKEN),
    "breaks off after its status": (raw(OK), BROKEN),
    "breaks off in a header": (raw(OK + b"Content-Type: application/js"), BROKEN),
    "breaks off in the interim": (
        raw(b"HTTP/1.1 103 Early Hints\r\n\r\n"),
        "the target closed the connection without an answer",
    ),
    "breaks off in its body": (behaviours.short_body, BROKEN),
    "breaks off between chunks": (raw(CHUNKED + b"2\r\n{}\r\n"), BROKEN),
    "breaks off in a chunk": (raw(CHUNKED + b"9\r\n{}"), BROKEN),
    "is not in chunks": (bad_chunks(), BROKEN),
    "has a chunk of negative size": (bad_chunks(b"-2\r\n{}\r\n"), BROKEN),
    "is damaged": (behaviours.corrupt_gzip, BROKEN),
    "is not compressed": (answer(headers={"Content-Encoding": "gzip"}), BROKEN),
    "is compressed too often": (answer(headers={"Content-Encoding": ", ".join(["gzip"] * 50)}), BROKEN),
    "has two lengths": (answer(body=b"[1]", headers={"Content-Length": "2"}), BROKEN),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_answer_is_refused_and_tried_again_later(target: HttpTarget, client: HttpClient, fault: str) -> None:
    behave, reason = FAULTS[fault]
    url = target.on("/a", behave)

    refusal = refused(client, url)

    assert (refusal.reason, refusal.can_retry) == (reason, True)
    assert len(target.calls) == 1
    target.on("/a", answer())
    assert call(client, url).status == 200


def test_a_port_without_a_listener(client: HttpClient) -> None:
    with HttpTarget() as gone:
        url = gone.url("/a")

    refusal = refused(client, url)

    assert (refusal.reason, refusal.can_retry) == ("the target could not be reached: connection refused", True)


def test_a_name_that_does_not_exist(client: HttpClient) -> None:
    refusal = refused(client, "http://target.invalid/a")

    assert (refusal.reason, refusal.can_retry) == ("the target could not be reached: its name was not found", True)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/a",
        "target.example",
        "http://",
        "http:///a",
        "http://:80/",
        "http://*.example/",
        "http://.example/",
        "http://a b/",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:port/",
        "http://[::1/",
        "http://" + "a" * 64 + ".example/",
        "http://a..example/",
        "ftp://target.example/",
        "file:///etc/passwd",
    ],
)
def test_a_url_that_is_none_cannot_be_mended(client: HttpClient, url: str) -> None:
    refusal = refused(client, url)

    assert refusal.reason == "the URL, or one that the target redirects to, is not valid"
    assert not refusal.can_retry


@pytest.mark.parametrize("headers", [{"X-A": "a\r\nX-Injected: b"}, {"X-A\r\nX-Injected": "b"}, {"X-A": " a\n"}])
def test_headers_cannot_be_smuggled_in(target: HttpTarget, client: HttpClient, headers: dict[str, str]) -> None:
    refusal = refused(client, target.on("/a", answer()), headers=headers)

    assert (refusal.reason, refusal.can_retry) == ("a header of the call is not valid", False)
    assert target.calls == []


# -- answers that never end, or are larger than they look

HUGE: dict[str, tuple[Behaviour, str]] = {
    "a body without end": (stream(OK + b"\r\n", itertools.repeat(MEGABYTE)), TOO_MUCH),
    "chunks without end": (stream(CHUNKED, itertools.repeat(b"f4240\r\n" + MEGABYTE + b"\r\n")), TOO_MUCH),
    "a chunk without end": (stream(CHUNKED + b"ffffffffffff\r\n", itertools.repeat(MEGABYTE)), TOO_MUCH),
    "a chunk's size without end": (stream(CHUNKED, itertools.repeat(MEGABYTE)), BROKEN),
    "a chunk of size -1": (stream(CHUNKED + b"-1\r\n", itertools.repeat(MEGABYTE)), BROKEN),
    "a trailer without end": (stream(CHUNKED + b"0\r\n", itertools.repeat(MEGABYTE)), BROKEN),
    "a body that unpacks to 100 MB": (gzip_bomb(100), TOO_MUCH),
    "a body that unpacks to 100 MB, packed thrice": (gzip_bomb(100, times=3), TOO_MUCH),
}


@pytest.mark.parametrize("fault", HUGE)
def test_a_huge_answer_takes_little_time_and_memory(target: HttpTarget, client: HttpClient, fault: str) -> None:
    behave, reason = HUGE[fault]
    url = target.on("/a", behave)

    tracemalloc.start()
    started = time.monotonic()
    try:
        refusal = refused(client, url, budget=2)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert refusal.reason == reason
    assert time.monotonic() - started < 2 + TOLERANCE
    assert peak < 30_000_000


def test_a_charset_that_is_slow_to_decode_is_not_used(target: HttpTarget, client: HttpClient) -> None:
    body = b"\xff" + b"a" * 300_000 + b"-" + b"b" * 300_000
    url = target.on("/a", answer(body=body, content_type="text/plain; charset=punycode"))

    started = time.monotonic()
    assert call(client, url).result.startswith('"�aaa')
    assert time.monotonic() - started < 1


# -- random bytes

HEADERS = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=80)
NAMES = st.sampled_from(
    ["Content-Type", "Content-Encoding", "Content-Length", "Location", "Set-Cookie", "Transfer-Encoding", "Connection"]
)


@settings(deadline=None, max_examples=100)
@given(data=st.data())
def attempt(data: st.DataObject, target: HttpTarget, client: HttpClient) -> None:
    if data.draw(st.booleans()):
        answered = raw(data.draw(st.binary(max_size=60)))
    else:
        status = data.draw(st.sampled_from([200, 204, 301, 302, 307, 401, 503]))
        headers = data.draw(st.lists(st.tuples(NAMES, HEADERS), max_size=4))
        answered = raw(response(status, data.draw(st.binary(max_size=20)), headers=headers))
    url = target.on("/a", answered)
    deadline = datetime.now(UTC) + timedelta(seconds=1)
    with suppress(CallRefused):
        json_text.check(call(client, url, budget=1).result)
    assert datetime.now(UTC) < deadline + timedelta(seconds=TOLERANCE)


def test_a_call_ends_with_json_or_a_refusal_for_random_bytes_of_a_target(
    target: HttpTarget, client: HttpClient
) -> None:
    attempt(target=target, client=client)


def test_no_connection_is_left_open(target: HttpTarget) -> None:
    before = len(os.listdir("/dev/fd"))
    with closing(HttpClient(Dialler(permits=Egress().permits), clock=lambda: NOW)) as client:
        for behave in (answer(), behaviours.reset, behaviours.short_body, drip_header(), bad_chunks()):
            with suppress(CallRefused):
                call(client, target.on("/a", behave), budget=0.1)
    target.disconnect()
    target.wait_until_idle()

    assert len(os.listdir("/dev/fd")) <= before
