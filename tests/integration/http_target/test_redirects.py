"""Redirects are followed as requests does, within the call's budget and without giving anything away."""

import itertools

import pytest
import requests

from task_service.adapters.http.client import HttpClient
from task_service.domain.call import Answered
from tests.support.behaviours import answer, chunks, echo, raw, redirect, reset, stream
from tests.support.http_calls import JSON, call, out_of_time, refused
from tests.support.targets import HttpTarget
from tests.support.wire import Behaviour, Call


def seen(call: Call) -> tuple[str, str, bytes, str | None, str | None]:
    return call.method, call.path, call.body, call.headers["Content-Type"], call.idempotency_key


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "GET", "HEAD"])
def test_method_and_body_are_kept_or_lost_as_with_requests(
    target: HttpTarget, client: HttpClient, status: int, method: str
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
    target: HttpTarget, client: HttpClient, status: int, method: str, body: bytes
) -> None:
    target.on("/to", answer(body=b'"there"'))

    answered = call(client, target.on("/from", redirect("/to", status)))

    assert (answered.status, answered.result) == (200, '"there"')
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
        ("/%7Eada/%2F?X-Signature=%41%2b%2B", "/%7Eada/%2F?X-Signature=%41%2b%2B"),
        ("http://{host}/a/../b//c?", "/a/../b//c?"),
        ("/%zz", "/%25zz"),
        ("/?pct=100%&name=a%20b", "/?pct=100%25&name=a%20b"),
        ("/größe".encode().decode("latin-1"), "/gr%C3%B6%C3%9Fe"),
        ("http://user:secret@{host}/to", "/to"),
    ],
)
def test_a_location_is_understood(target: HttpTarget, client: HttpClient, location: str, path: str) -> None:
    url = target.on("/deep/from", redirect(location.replace("{host}", f"127.0.0.1:{target.port}")))
    # The target has no script for the second path; the test looks at the calls that it has seen.
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
    target: HttpTarget, client: HttpClient, location: str, headers: dict[str, str]
) -> None:
    url = target.on("/from", redirect(location))

    refusal = refused(client, url, headers=headers)

    assert refusal.reason == "the URL, or one that the target redirects to, is not valid"
    assert not refusal.can_retry
    assert len(target.calls) == 1


def test_redirects_in_a_circle_end(target: HttpTarget, client: HttpClient) -> None:
    target.on("/there", redirect("/here"))

    refusal = refused(client, target.on("/here", redirect("/there")))

    assert (refusal.reason, refusal.can_retry) == ("the target redirects too often", False)
    assert len(target.calls) == 31
    assert target.connections == 1


def test_slow_redirects_share_one_budget(target: HttpTarget, client: HttpClient) -> None:
    out_of_time(client, target.on("/here", redirect("/here", after=0.12)))

    assert len(target.calls) == 3


def test_cookies_are_kept_while_redirects_are_followed_and_then_forgotten(
    target: HttpTarget, client: HttpClient
) -> None:
    url = target.on("/login", redirect("/to", headers={"Set-Cookie": "session=secret; Path=/"}))
    target.on("/to", answer())

    call(client, url)
    call(client, url)

    assert [one.headers["Cookie"] for one in target.calls] == [None, "session=secret", None, "session=secret"]


# -- to another origin


PRIVATE = {"Authorization": "Bearer secret", "X-Api-Key": "secret", "Cookie": "a=secret", "X-Trace": "secret"}


@pytest.mark.parametrize(
    ("status", "method"), [(301, "POST"), (302, "POST"), (303, "PUT"), (307, "GET"), (308, "HEAD"), (302, "GET")]
)
def test_another_origin_gets_only_what_every_client_sends(
    target: HttpTarget, client: HttpClient, status: int, method: str
) -> None:
    body = None if method in ("GET", "HEAD") else '{"n":"secret"}'
    with HttpTarget() as other:
        url = target.on("/from", redirect(other.on("/to", answer()), status))

        call(client, url, method=method, body=body, headers=PRIVATE | {"Accept": "text/csv", "User-Agent": "us"})

        [there] = other.calls
    assert target.calls[0].headers["X-Api-Key"] == "secret"
    assert sorted(name.lower() for name in there.headers) == [
        *("accept", "accept-encoding", "connection", "host", "user-agent")
    ]
    assert (there.headers["Accept"], there.headers["User-Agent"], there.body) == ("text/csv", "us", b"")


def test_a_user_of_the_url_is_not_told_to_another_origin(target: HttpTarget, client: HttpClient) -> None:
    target.on("/here", answer())
    with HttpTarget() as other:
        away = target.on("/away", redirect(other.on("/to", answer())))
        home = target.on("/home", redirect("/here"))

        for url in (away, home):
            call(client, url.replace("//", "//user:secret@"))

        assert other.calls[0].headers["Authorization"] is None
    assert [one.headers["Authorization"] is not None for one in target.calls] == [True, True, True]


@pytest.mark.parametrize("status", [307, 308])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_another_origin_does_not_get_the_body(target: HttpTarget, client: HttpClient, status: int, method: str) -> None:
    with HttpTarget() as other:
        url = target.on("/from", redirect(other.on("/to", echo), status))

        refusal = refused(client, url, method=method)

        assert other.connections == 0
    assert refusal.reason == "the target redirects to another origin, which does not get the body of the call"
    assert not refusal.can_retry


def test_a_way_back_does_not_bring_the_headers_again(target: HttpTarget, client: HttpClient) -> None:
    with HttpTarget() as other:
        url = target.on("/from", redirect(other.on("/to", redirect(target.on("/back", answer())))))

        call(client, url, headers=PRIVATE)

    assert target.calls[1].path == "/back"
    assert not any(target.calls[1].headers[name] for name in PRIVATE)


def test_the_same_origin_gets_the_headers_of_the_template(target: HttpTarget, client: HttpClient) -> None:
    target.on("/to", answer())

    call(client, target.on("/from", redirect(target.url("/to"), 307)), headers=PRIVATE)

    assert all(target.calls[1].headers[name] == value for name, value in PRIVATE.items())
    assert target.calls[1].body == b'{"n":1}'


def test_cookies_of_the_template_go_along_with_those_that_are_set(target: HttpTarget, client: HttpClient) -> None:
    url = target.on("/from", redirect("/to", headers={"Set-Cookie": "b=new; Path=/"}))
    target.on("/to", redirect("/end", headers={"Set-Cookie": "a=; Max-Age=0; Path=/"}))
    target.on("/end", answer())

    call(client, url, headers={"Cookie": "a=1; b=old"})

    assert [one.headers["Cookie"] for one in target.calls] == ["a=1; b=old", "a=1; b=new", "a=1; b=new"]


# -- what is left of it


def test_an_answer_tells_how_many_redirects_led_to_it_and_where(target: HttpTarget, client: HttpClient) -> None:
    with HttpTarget() as other:
        target.on("/second", redirect(other.on("/login", answer(body=b'"log in"'))))

        answered = call(client, target.on("/first", redirect("/second", 303)))

        assert (answered.redirects, answered.final_origin) == (2, f"http://127.0.0.1:{other.port}")
        assert answered.result == '"log in"'


def test_a_call_that_fails_after_a_redirect_tells_so(target: HttpTarget, client: HttpClient) -> None:
    target.on("/to", reset)

    refusal = refused(client, target.on("/from", redirect("/to")))

    assert (refusal.redirects, refusal.final_origin) == (1, f"http://127.0.0.1:{target.port}")


def test_an_answer_without_redirects_has_no_trace_of_any(target: HttpTarget, client: HttpClient) -> None:
    answered = call(client, target.on("/a", answer()))

    assert (answered.redirects, answered.final_origin) == (0, None)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_that_are_not_wanted_are_answers(target: HttpTarget, client: HttpClient, status: int) -> None:
    moved = answer(status, b'"moved"', headers={"Location": "/to"})

    answered = call(client, target.on("/from", moved), redirects=False)

    assert answered == Answered(status=status, result='"moved"')
    assert len(target.calls) == 1


def test_several_different_locations_are_refused(target: HttpTarget, client: HttpClient) -> None:
    twice = answer(302, headers=[("Location", "/a"), ("Location", "/b")])
    target.on("/to", answer())
    same = answer(302, headers=[("Location", "/to"), ("Location", "/to")])

    refusal = refused(client, target.on("/from", twice))
    assert (refusal.reason, refusal.can_retry) == ("the target redirects to several URLs at once", False)
    assert call(client, target.on("/from", same)).status == 200


# -- the body of a redirect


def test_the_body_of_a_redirect_is_not_the_result(target: HttpTarget, client: HttpClient) -> None:
    target.on("/to", answer(body=b'"there"'))
    moved = answer(302, b"<p>moved</p>", content_type="text/html", headers={"Location": "/to"})

    assert call(client, target.on("/from", moved)).result == '"there"'
    assert target.connections == 1


HEAD = b"HTTP/1.1 302 Found\r\nLocation: /to\r\n"
UNREADABLE: dict[str, Behaviour] = {
    "says gzip and is not": answer(302, b"moved", headers={"Location": "/to", "Content-Encoding": "gzip"}),
    "says br": answer(302, b"moved", headers={"Location": "/to", "Content-Encoding": "br"}),
    "has two lengths": answer(302, b"moved", headers={"Location": "/to", "Content-Length": "3"}),
    "has a length that is none": raw(HEAD + b"Content-Length: many\r\n\r\nmoved"),
    "breaks off": raw(HEAD + b"Content-Length: 9\r\n\r\nmoved"),
    "is not in chunks": raw(HEAD + b"Transfer-Encoding: chunked\r\n\r\nmoved"),
    "has an unknown transfer coding": raw(HEAD + b"Transfer-Encoding: xchunked\r\n\r\nmoved"),
    "is large": answer(302, bytes(5_000_001), headers={"Location": "/to"}),
    "is endless": stream(HEAD + b"\r\n", itertools.repeat(bytes(1_000_000))),
    "is endless in chunks": stream(
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n", itertools.repeat(b"f4240\r\n" + bytes(1_000_000) + b"\r\n")
    ),
    "drips": stream(HEAD + b"Content-Length: 1000\r\n\r\n", itertools.repeat(b" "), every=0.05),
    "never comes": stream(HEAD + b"Content-Length: 9\r\n\r\n", [b""] * 60, every=1),
    "is in no charset": answer(302, b"\xff", content_type="text/plain; charset=utf-8", headers={"Location": "/to"}),
}


@pytest.mark.parametrize("fault", UNREADABLE)
def test_the_body_of_a_redirect_does_not_matter(target: HttpTarget, client: HttpClient, fault: str) -> None:
    target.on("/to", answer(body=b'"there"'))

    assert call(client, target.on("/from", UNREADABLE[fault]), budget=2).result == '"there"'
    assert len(target.calls) == 2


def test_chunks_after_a_redirect_are_read(target: HttpTarget, client: HttpClient) -> None:
    target.on("/to", chunks(b"[", b"1]"))

    assert call(client, target.on("/from", redirect("/to"))).result == "[1]"
