"""Redirects are followed as requests does, within the call's budget and without giving anything away."""

import pytest
import requests

from task_service.adapters.http.target import RequestsTarget
from task_service.domain.call import Answered
from tests.support.behaviours import answer, chunks, echo, redirect
from tests.support.http_calls import JSON, call, out_of_time, refused
from tests.support.targets import HttpTarget
from tests.support.wire import Call


def seen(call: Call) -> tuple[str, str, bytes, str | None, str | None]:
    return call.method, call.path, call.body, call.headers["Content-Type"], call.idempotency_key


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "GET", "HEAD"])
def test_method_and_body_are_kept_or_lost_as_with_requests(
    target: HttpTarget, client: RequestsTarget, status: int, method: str
) -> None:
    url = target.on("/from", redirect("/to", status))
    target.on("/to", answer())
    body = None if method in ("GET", "HEAD") else '{"n":1}'

    call(client, url, method=method, body=body)
    requests.request(method, url, data=body, headers=JSON, timeout=5)

    ours, theirs = target.calls[:2], target.calls[2:]
    assert [seen(one) for one in ours] == [seen(one) for one in theirs]
    assert ours[1].path == "/to"


@pytest.mark.parametrize(("status", "method", "body"), [(303, "GET", b""), (308, "POST", b'{"n":1}')])
def test_after_303_the_result_is_fetched_and_after_308_the_call_is_made_there(
    target: HttpTarget, client: RequestsTarget, status: int, method: str, body: bytes
) -> None:
    target.on("/to", answer(body=b'"there"'))

    answered = call(client, target.on("/from", redirect("/to", status)))

    assert answered == Answered(status=200, result='"there"')
    assert (target.calls[1].method, target.calls[1].body) == (method, body)


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("/to", "/to"),
        ("to?a=b", "/deep/to?a=b"),
        ("../to", "/to"),
        ("?again", "/deep/from?again"),
        ("//{host}/to", "/to"),
        ("http://{host}/to", "/to"),
        ("HTTP://{host}/to#part", "/to"),
        ("/with space/<x>", "/with%20space/%3Cx%3E"),
        ("/%7Eada/%2F", "/~ada/%2F"),
        ("/%zz", "/%25zz"),
        ("/größe".encode().decode("latin-1"), "/gr%C3%B6%C3%9Fe"),
        ("http://user:secret@{host}/to", "/to"),
    ],
)
def test_a_location_is_understood(target: HttpTarget, client: RequestsTarget, location: str, path: str) -> None:
    url = target.on("/deep/from", redirect(location.replace("{host}", f"127.0.0.1:{target.port}")))
    # Whatever follows is told by what the target has seen: it has no script for it.
    if path == "/deep/from?again":
        assert refused(client, url).reason == "the target redirects too often"
    else:
        assert call(client, url).status == 404
    assert target.calls[1].path == path
    assert target.calls[1].headers["Authorization"] is None


@pytest.mark.parametrize(
    "location",
    [
        "http://[::1/",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:port/",
        "http://:80/",
        "http://\N{LATIN SMALL LETTER A WITH DIAERESIS}/",
        "http://℀.example/".encode().decode("latin-1"),
        "http://" + "a" * 64 + ".example/",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "unknown:",
    ],
)
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer secret"}])
def test_a_redirect_to_what_is_no_url_cannot_be_mended(
    target: HttpTarget, client: RequestsTarget, location: str, headers: dict[str, str]
) -> None:
    url = target.on("/from", redirect(location))

    refusal = refused(client, url, headers=headers)

    assert refusal.reason == "the URL, or one that the target redirects to, is not valid"
    assert not refusal.can_retry
    assert len(target.calls) == 1


def test_redirects_in_a_circle_end(target: HttpTarget, client: RequestsTarget) -> None:
    target.on("/there", redirect("/here"))

    refusal = refused(client, target.on("/here", redirect("/there")))

    assert (refusal.reason, refusal.can_retry) == ("the target redirects too often", False)
    assert len(target.calls) == 31
    assert target.connections == 1


def test_slow_redirects_share_one_budget(target: HttpTarget, client: RequestsTarget) -> None:
    out_of_time(client, target.on("/here", redirect("/here", after=0.12)))

    assert len(target.calls) == 3


def test_cookies_are_kept_while_redirects_are_followed_and_then_forgotten(
    target: HttpTarget, client: RequestsTarget
) -> None:
    url = target.on("/login", redirect("/to", headers={"Set-Cookie": "session=secret; Path=/"}))
    target.on("/to", answer())

    call(client, url)
    call(client, url)

    assert [one.headers["Cookie"] for one in target.calls] == [None, "session=secret", None, "session=secret"]


def test_another_host_does_not_get_the_authorization(target: HttpTarget, client: RequestsTarget) -> None:
    with HttpTarget() as other:
        url = target.on("/from", redirect(other.on("/to", echo), 307))

        call(client, url, headers={"Authorization": "Bearer secret"})

        [there] = other.calls
    assert target.calls[0].headers["Authorization"] == "Bearer secret"
    assert there.headers["Authorization"] is None
    assert (there.method, there.body, there.idempotency_key) == ("POST", b'{"n":1}', "task-1")


def test_the_body_of_a_redirect_is_not_the_result(target: HttpTarget, client: RequestsTarget) -> None:
    target.on("/to", answer(body=b'"there"'))
    moved = answer(302, b"<p>moved</p>", content_type="text/html", headers={"Location": "/to"})

    assert call(client, target.on("/from", moved)).result == '"there"'
    assert target.connections == 1


def test_the_body_of_a_redirect_is_limited_too(target: HttpTarget, client: RequestsTarget) -> None:
    url = target.on("/from", answer(302, bytes(5_000_001), headers={"Location": "/to"}))

    refusal = refused(client, url)

    assert (refusal.reason, refusal.can_retry) == ("the target answered with more than 5000000 bytes", False)
    assert len(target.calls) == 1


def test_chunks_after_a_redirect_are_read(target: HttpTarget, client: RequestsTarget) -> None:
    target.on("/to", chunks(b"[", b"1]"))

    assert call(client, target.on("/from", redirect("/to"))).result == "[1]"
