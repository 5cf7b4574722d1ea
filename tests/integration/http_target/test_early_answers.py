"""Targets that answer before they have read the request: their answer counts."""

import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from task_service.adapters.http.client import HttpClient
from task_service.domain.call import Answered
from tests.support import behaviours
from tests.support.behaviours import answer, in_turn, response
from tests.support.certificates import self_signed
from tests.support.http_calls import call, out_of_time, refused
from tests.support.targets import HttpTarget
from tests.support.wire import Behaviour, Wire

LARGE = '"' + "a" * 20_000_000 + '"'
"""More than the buffers between client and target hold."""


@pytest.fixture(params=["plain", "TLS"])
def target(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpTarget]:
    context: ssl.SSLContext | None = None
    if request.param == "TLS":
        context, certificate = self_signed(tmp_path)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with HttpTarget(tls=context) as target:
        yield target


def and_keep_silent(data: bytes) -> Behaviour:
    """Answers and leaves the connection as it is, the request unread."""

    def behave(wire: Wire) -> None:
        wire.send(data)
        wire.pause(60)

    return behave


def and_close(data: bytes) -> Behaviour:
    """Answers and closes the connection, the request unread: the client's system gets a reset."""

    def behave(wire: Wire) -> None:
        wire.finish(data)
        wire.close()

    return behave


def and_reset(data: bytes) -> Behaviour:
    """Answers, and resets the connection a moment later."""

    def behave(wire: Wire) -> None:
        wire.finish(data)
        wire.pause(0.1)
        wire.reset()

    return behave


ENDS = pytest.mark.parametrize("end", [and_keep_silent, and_close, and_reset])


@ENDS
@pytest.mark.parametrize("status", [200, 202, 400, 401, 413, 503])
def test_an_early_answer_counts(
    target: HttpTarget, client: HttpClient, end: Callable[[bytes], Behaviour], status: int
) -> None:
    url = target.on("/a", end(response(status, b'"early"')), before_body=True)

    started = time.monotonic()
    assert call(client, url, body=LARGE) == Answered(status=status, result='"early"')
    assert time.monotonic() - started < 3
    assert len(target.calls) == 1


def test_an_early_redirect_is_followed(target: HttpTarget, client: HttpClient) -> None:
    moved = response(303, b"moved", headers={"Location": "/to"})
    target.on("/to", answer(body=b'"there"'))

    assert call(client, target.on("/a", and_keep_silent(moved), before_body=True), body=LARGE).result == '"there"'


def test_an_interim_answer_is_not_an_early_one(target: HttpTarget, client: HttpClient) -> None:
    def interim_then_read(wire: Wire) -> None:
        wire.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
        wire.pause(0.7)
        wire.finish(response(200, str(wire.read(len(LARGE))).encode()))

    url = target.on("/a", interim_then_read, before_body=True)

    assert call(client, url, body=LARGE).result == str(len(LARGE))


def test_a_target_that_answers_while_it_reads_gets_the_whole_request(target: HttpTarget, client: HttpClient) -> None:
    read: list[int] = []

    def answer_and_read(wire: Wire) -> None:
        wire.send(response(200, b"", length=2)[:-2] + b"\r\n")
        wire.pause(0.2)
        read.append(wire.read(len(LARGE)))
        wire.finish(b"{}")

    assert call(client, target.on("/a", answer_and_read, before_body=True), body=LARGE).result == "{}"
    assert read == [len(LARGE)]


def test_the_connection_of_an_early_answer_is_not_used_again(target: HttpTarget, client: HttpClient) -> None:
    url = target.on("/a", and_keep_silent(response(413, b'"early"')), before_body=True)
    call(client, url, body=LARGE)
    target.on("/a", answer())

    assert call(client, url).status == 200
    assert target.connections == 2


def test_an_early_answer_that_breaks_off_is_a_failed_attempt(target: HttpTarget, client: HttpClient) -> None:
    url = target.on("/a", and_close(response(413, b'"ear', length=100)), before_body=True)

    assert refused(client, url, body=LARGE).can_retry


@pytest.mark.parametrize("end", [behaviours.close, behaviours.reset])
def test_a_target_that_goes_away_while_it_gets_the_request_is_tried_again(
    target: HttpTarget, client: HttpClient, end: Behaviour
) -> None:
    url = target.on("/a", in_turn(end, answer()), before_body=True)

    refusal = refused(client, url, body=LARGE)

    assert refusal.can_retry
    assert refusal.reason in (
        "the target closed the connection without an answer",
        "the target reset the connection",
    )


def test_an_early_answer_that_never_ends_is_left_in_time(target: HttpTarget, client: HttpClient) -> None:
    url = target.on("/a", and_keep_silent(response(413, b"", length=100)), before_body=True)

    out_of_time(client, url, body=LARGE, budget=1)
