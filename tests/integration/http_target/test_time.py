"""A call ends with its budget, however slow a target, a network or a name server is."""

import itertools
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from task_service.adapters.http.client import HttpClient
from tests.support.behaviours import answer, drip_body, drip_header, hang, response, stream
from tests.support.http_calls import call, out_of_time, refused
from tests.support.targets import HttpTarget
from tests.support.wire import Behaviour

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


# -- answers that take for ever

SLOW: dict[str, Behaviour] = {
    "hangs": hang(),
    "drips its header": drip_header(0.05),
    "drips its body": drip_body(0.05),
    "drips a chunk's size": stream(CHUNKED, itertools.repeat(b"0"), every=0.05),
    "drips chunks": stream(CHUNKED, itertools.repeat(b"1\r\n \r\n"), every=0.05),
    "drips trailers": stream(CHUNKED + b"0\r\n", itertools.repeat(b"X-A: 1\r\n"), every=0.05),
    "drips interim answers": stream(b"", itertools.repeat(b"HTTP/1.1 102 Processing\r\n\r\n"), every=0.05),
    "sends interim answers for ever": stream(b"", itertools.repeat(b"HTTP/1.1 100 Continue\r\nX-A: 1\r\n\r\n" * 500)),
    "sends trailers for ever": stream(CHUNKED + b"0\r\n", itertools.repeat(b"X-A: 1\r\n" * 5_000)),
    "compresses nothing for ever": stream(
        CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n"),
        itertools.repeat(b"14\r\n" + bytes.fromhex("1f8b08000000000000030300" + "00" * 8) + b"\r\n"),
    ),
    "finishes and keeps silent": stream(response(body=b"{}", length=3), [b""] * 60, every=1),
}


@pytest.mark.parametrize("fault", SLOW)
def test_a_target_that_takes_for_ever_is_left_in_time(target: HttpTarget, client: HttpClient, fault: str) -> None:
    out_of_time(client, target.on("/a", SLOW[fault]))


def test_a_target_that_does_not_read_is_left_in_time(target: HttpTarget, client: HttpClient) -> None:
    url = target.on("/a", hang(), before_body=True)

    out_of_time(client, url, body='"' + "a" * 20_000_000 + '"')


def test_a_target_that_accepts_and_keeps_silent_is_left_in_time(client: HttpClient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        out_of_time(client, f"http://127.0.0.1:{listener.getsockname()[1]}/a")


@pytest.mark.parametrize("part", [b"", b"\2"])
def test_a_tls_handshake_that_takes_for_ever_is_left_in_time(client: HttpClient, part: bytes) -> None:
    handshake = stream(b"\x16\x03\x03\x3f\xff", itertools.repeat(part), every=0.05)
    with HttpTarget(instead_of_http=handshake) as target:
        out_of_time(client, f"https://127.0.0.1:{target.port}/a")


def test_no_call_is_made_when_its_time_is_over(target: HttpTarget, client: HttpClient) -> None:
    url = target.on("/a", answer())

    assert refused(client, url, budget=-1).can_retry
    assert target.calls == []


# -- names


def resolver(monkeypatch: pytest.MonkeyPatch, **hosts: list[int] | threading.Event) -> None:
    """Let names be looked up as the ports of 127.0.0.1 that are given, or not before an event."""

    def look_up(host: str, port: int, *_: object) -> list[tuple[Any, ...]]:
        answer = hosts[host]
        if isinstance(answer, threading.Event):
            answer.wait(10)
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in answer]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


@pytest.fixture
def unanswered() -> Iterator[int]:
    """A port where connecting takes for ever: what the system queues for its listener is full."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()
        waiting = [socket.socket() for _ in range(3)]
        for connection in waiting:
            connection.setblocking(False)
            with suppress(BlockingIOError):
                connection.connect(address)
        yield address[1]
        for connection in waiting:
            connection.close()


def test_a_name_server_that_does_not_answer_is_left_in_time(
    client: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered = threading.Event()
    resolver(monkeypatch, slow=answered)

    out_of_time(client, "http://slow/a")

    answered.set()


def test_addresses_that_do_not_answer_share_one_budget(
    client: HttpClient, monkeypatch: pytest.MonkeyPatch, unanswered: int
) -> None:
    resolver(monkeypatch, host=[unanswered] * 4)

    out_of_time(client, "http://host/a")


def test_an_address_that_does_not_answer_leaves_time_for_the_next(
    target: HttpTarget, client: HttpClient, monkeypatch: pytest.MonkeyPatch, unanswered: int
) -> None:
    url = target.on("/a", answer())
    resolver(monkeypatch, host=[unanswered, target.port])

    assert call(client, url.replace("127.0.0.1", "host"), budget=0.6).status == 200
