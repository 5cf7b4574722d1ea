"""Tasks' calls as targets see them, and targets' answers as tasks get them."""

import base64
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from task_service.adapters.http.client import HttpClient
from task_service.domain import json_text
from task_service.domain.call import Answered
from tests.support.behaviours import answer, chunks, compressed, failing, hang, raw, response
from tests.support.http_calls import call, refused
from tests.support.targets import HttpTarget
from tests.support.wire import Behaviour, Wire

# -- what targets see


@pytest.mark.parametrize(
    "body", ['{"n":1}', '{"n": 12345678901234567890.10, "n":"\\u00e9é" }\n', '"' + "x" * 100_000 + '"']
)
def test_a_body_arrives_as_it_was_given(target: HttpTarget, client: HttpClient, body: str) -> None:
    call(client, target.on("/a", answer()), body=body)

    [seen] = target.calls
    assert seen.method == "POST"
    assert seen.body == body.encode()
    assert seen.headers["Content-Type"] == "application/json"
    assert seen.headers["Content-Length"] == str(len(body.encode()))
    assert seen.headers["Transfer-Encoding"] is None
    assert seen.idempotency_key == "task-1"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_call_without_a_body_sends_none(target: HttpTarget, client: HttpClient, method: str) -> None:
    url = target.on("/a", answer(body=b'{"a":1}'))

    answered = call(client, url, method=method, body=None)

    [seen] = target.calls
    assert (seen.method, seen.body) == (method, b"")
    assert seen.headers["Content-Length"] is None
    assert seen.headers["Transfer-Encoding"] is None
    assert answered.result == ("null" if method == "HEAD" else '{"a":1}')


def test_headers_query_and_credentials_of_the_url_are_sent(target: HttpTarget, client: HttpClient) -> None:
    target.on("/a", answer())
    url = f"http://user:secret@127.0.0.1:{target.port}/a?q=a%20b&q=ü#fragment"

    call(client, url, headers={"X-Name": "Zoë", "user-agent": "task-service/2"})

    [seen] = target.calls
    assert seen.path == "/a?q=a%20b&q=%C3%BC"
    assert seen.headers["X-Name"] == "Zoë"
    assert seen.headers.get_all("User-Agent") == ["task-service/2"]
    assert seen.headers["Authorization"] == "Basic dXNlcjpzZWNyZXQ="


@pytest.mark.parametrize(
    "path",
    [
        *("/%7Euser", "/~user", "/%41%61", "/a/../b", "/a/./b", "/a/%2e%2e/b", "//a//b/", "/a%2Fb%2fb"),
        *("/?", "/??a=?", "/?a=%c3%bc&b=%C3%BC", "/?X-Signature=%2b%2F%3d+/=", "/a;v=1,2?b;c", "/(a)*!'$&=:@"),
        *("/?filter[name]=a", "/%00%0a%ff", "/?a=b&a=b&&", "/.", "/..", "/a//", "/%25%2541"),
    ],
)
def test_the_url_that_is_called_is_the_one_that_is_written(target: HttpTarget, client: HttpClient, path: str) -> None:
    call(client, target.url(path))

    assert target.calls[0].path == path


@pytest.mark.parametrize(
    ("url", "path"),
    [("", "/"), ("?a=b", "/?a=b"), ("#a", "/"), ("/#?a=b", "/"), ("/grün?für=ß", "/gr%C3%BCn?f%C3%BCr=%C3%9F")],
)
def test_what_no_request_can_have_is_added_or_transcribed(
    target: HttpTarget, client: HttpClient, url: str, path: str
) -> None:
    call(client, target.url(url))

    assert target.calls[0].path == path


@pytest.mark.parametrize(
    "path", ["/?pct=100%&name=a%20b", "/%", "/%4", "/%zz", "/a b", "/{a}", "/a|b", '/"a"', "/a\\b", "/<a>"]
)
def test_a_url_that_cannot_be_sent_as_it_is_written_is_not_sent(
    target: HttpTarget, client: HttpClient, path: str
) -> None:
    refusal = refused(client, target.url(path))

    assert (refusal.reason, refusal.can_retry) == ("the URL, or one that the target redirects to, is not valid", False)
    assert target.connections == 0


@pytest.mark.parametrize(
    ("user", "credentials"),
    [
        ("user:pass", b"user:pass"),
        ("user", b"user:"),
        (":pass", b":pass"),
        ("user:a:b", b"user:a:b"),
        ("us%40er:%3A%2F", b"us@er::/"),
        ("us%C3%A9r:%E2%82%AC", "usér:€".encode()),
        ("usér:€", "usér:€".encode()),
        ("%E9:%FF", b"\xe9:\xff"),
    ],
)
def test_user_and_password_of_a_url_are_sent_as_the_bytes_that_they_are(
    target: HttpTarget, client: HttpClient, user: str, credentials: bytes
) -> None:
    call(client, target.on("/a", answer()).replace("//", f"//{user}@"))

    sent = target.calls[0].headers["Authorization"]
    assert sent == f"Basic {base64.b64encode(credentials).decode()}"


@pytest.mark.parametrize("name", ["Authorization", "authorization", "AUTHORIZATION"])
@pytest.mark.parametrize("user", ["ada:secret@", "ada@", ":secret@"])
def test_a_user_in_the_url_does_not_replace_the_templates_authorization(
    target: HttpTarget, client: HttpClient, name: str, user: str
) -> None:
    url = target.on("/a", answer()).replace("//", f"//{user}")

    refusal = refused(client, url, headers={name: "Bearer secret"})

    assert refusal.reason.startswith("the call has both an Authorization header and a user in its URL")
    assert not refusal.can_retry
    assert target.connections == 0
    assert call(client, url.replace(user, "@"), headers={name: "Bearer secret"}).status == 200


def test_names_that_differ_only_in_case_are_not_sent(target: HttpTarget, client: HttpClient) -> None:
    refusal = refused(client, target.on("/a", answer()), headers={"X-A": "1", "x-a": "2"})

    assert (refusal.reason, refusal.can_retry) == ("a header of the call is not valid", False)


def test_white_space_around_a_value_is_not_sent(target: HttpTarget, client: HttpClient) -> None:
    call(client, target.on("/a", answer()), headers={"X-A": " \ta b\t "})

    assert target.calls[0].headers["X-A"] == "a b"


def test_proxies_and_credentials_of_the_environment_are_ignored(
    target: HttpTarget, client: HttpClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login user password secret\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))

    call(client, target.on("/a", answer()))

    assert target.calls[0].headers["Authorization"] is None


def test_cookies_of_one_call_are_not_sent_with_the_next(target: HttpTarget, client: HttpClient) -> None:
    url = target.on("/a", answer(headers={"Set-Cookie": "session=secret; Path=/"}))

    call(client, url)
    call(client, url)

    assert [seen.headers["Cookie"] for seen in target.calls] == [None, None]


# -- what tasks get

BIG_NUMBERS = b'{"b": 1234567890123456789012, "a":1.10,\n "a":null}'
LATIN_1 = "Größe".encode("latin-1")
ANSWERS: dict[str, tuple[Behaviour, str]] = {
    "JSON, as it was sent": (answer(body=BIG_NUMBERS), BIG_NUMBERS.decode()),
    "JSON that says it is text": (answer(body=b"[1]", content_type="text/plain"), "[1]"),
    "JSON without a content type": (answer(body=b'"a"', content_type=None), '"a"'),
    "a scalar": (answer(body=b"17"), "17"),
    "JSON after a byte order mark": (answer(body=b'\xef\xbb\xbf{"a":1}'), '{"a":1}'),
    "JSON in UTF-16": (answer(body='{"a":"ö"}'.encode("utf-16")), '{"a":"ö"}'),
    "JSON in UTF-32 without a mark": (answer(body='{"a":"ö"}'.encode("utf-32-le")), '{"a":"ö"}'),
    "JSON in ISO 8859-1": (
        answer(body=b'{"a":"' + LATIN_1 + b'"}', content_type="application/json; charset=ISO-8859-1"),
        '{"a":"Größe"}',
    ),
    "JSON nested deeply": (answer(body=b"[" * 10_000 + b"]" * 10_000), "[" * 10_000 + "]" * 10_000),
    "JSON nested too deeply": (answer(body=b"[" * 10_001 + b"]" * 10_001), '"' + "[" * 10_001 + "]" * 10_001 + '"'),
    "almost JSON: NaN": (answer(body=b'{"a":NaN}'), r'"{\"a\":NaN}"'),
    "almost JSON: two values": (answer(body=b"{} {}"), '"{} {}"'),
    "HTML": (answer(body=b"<p>\n&uuml;", content_type="text/html"), r'"<p>\n&uuml;"'),
    "text": (answer(body="grün".encode(), content_type="text/plain"), '"grün"'),
    "text in windows-1252": (answer(body=b"5 \x80", content_type='text/plain; charset="windows-1252"'), '"5 €"'),
    "text that does not say its charset": (answer(body=LATIN_1, content_type="text/plain"), '"Größe"'),
    "text that says a wrong charset": (answer(body=LATIN_1, content_type="text/plain;charset=utf-8"), '"Gr��e"'),
    "text in no charset": (answer(body=LATIN_1, content_type="text/plain; charset=klingon"), '"Gr��e"'),
    "a charset that makes surrogates": (answer(body=b"\xff+2AA-", content_type="text/plain; charset=utf-7"), '"�?"'),
    "a charset without a name": (answer(body=LATIN_1, content_type="text/plain; charset"), '"Größe"'),
    "a charset that is none of text": (answer(body=LATIN_1, content_type="text/plain; charset=zlib"), '"Gr��e"'),
    "a charset that refuses all": (answer(body=LATIN_1, content_type="text/plain; charset=undefined"), '"Gr��e"'),
    "text in ISO-2022-JP": (
        answer(body="日本".encode("iso2022_jp"), content_type="text/plain; charset=ISO-2022-JP"),
        '"日本"',
    ),
    "bytes": (answer(body=b"\xff\xd9\x01", content_type="application/octet-stream"), r'"��\u0001"'),
    "blanks": (answer(body=b" \n"), r'" \n"'),
    "nothing": (answer(body=b""), "null"),
    "nothing but a byte order mark": (answer(body=b"\xef\xbb\xbf"), "null"),
    "gzip": (compressed(b'{"a":1}'), '{"a":1}'),
    "gzip in gzip": (compressed(b'{"a":1}', times=2), '{"a":1}'),
    "deflate": (answer(body=zlib.compress(b"[1]"), headers={"Content-Encoding": "deflate"}), "[1]"),
    "no encoding, as some servers say it": (answer(body=b"[1]", headers={"Content-Encoding": "none"}), "[1]"),
    "chunks": (chunks(b'{"a"', b":1}"), '{"a":1}'),
    "no chunks": (chunks(), "null"),
    "chunks with extensions and trailers": (
        raw(response(headers={"Transfer-Encoding": "chunked"}) + b"3;a=b\r\n[1]\r\n0\r\nX-Checksum: 1\r\n\r\n"),
        "[1]",
    ),
    "HTTP/1.0, until the end": (raw(b"HTTP/1.0 200\r\n\r\n[1]"), "[1]"),
    "interim answers before": (
        raw(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + response(body=b"[1]")),
        "[1]",
    ),
}


@pytest.mark.parametrize("behaviour", ANSWERS)
def test_an_answer_becomes_json(target: HttpTarget, client: HttpClient, behaviour: str) -> None:
    behave, result = ANSWERS[behaviour]

    assert call(client, target.on("/a", behave)) == Answered(status=200, result=result)


@pytest.mark.parametrize(
    "behave",
    [
        answer(204, b""),
        raw(b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n{}"),
        answer(304, b""),
        answer(404, b""),
    ],
)
def test_an_answer_without_content_is_null(target: HttpTarget, client: HttpClient, behave: Behaviour) -> None:
    assert call(client, target.on("/a", behave)).result == "null"


@pytest.mark.parametrize("status", [201, 202, 300, 304, 400, 404, 409, 418, 499, 500, 503, 599, 799])
def test_the_status_is_kept(target: HttpTarget, client: HttpClient, status: int) -> None:
    assert call(client, target.on("/a", answer(status))).status == status


def test_a_redirect_without_a_location_is_an_answer(target: HttpTarget, client: HttpClient) -> None:
    assert call(client, target.on("/a", answer(302, b'"where?"'))) == Answered(status=302, result='"where?"')


def test_a_head_of_something_compressed_is_null(target: HttpTarget, client: HttpClient) -> None:
    assert call(client, target.on("/a", compressed(b"{}")), method="HEAD", body=None).result == "null"


@pytest.mark.parametrize("wait", ["120", "Thu, 01 Jan 2026 12:01:30 GMT"])
def test_retry_after_is_handed_on(target: HttpTarget, client: HttpClient, wait: str) -> None:
    url = target.on("/a", answer(429, b'"busy"', headers={"Retry-After": wait}))

    assert call(client, url) == Answered(status=429, result='"busy"', retry_after=wait)


def test_a_failed_call_is_not_repeated_here(target: HttpTarget, client: HttpClient) -> None:
    url = target.on("/a", failing(2, answer(body=b"1"), status=503))

    assert [call(client, url).status for _ in range(3)] == [503, 503, 200]
    assert len(target.calls) == 3


def test_five_megabytes_are_read_and_one_byte_more_is_not(target: HttpTarget, client: HttpClient) -> None:
    largest = b"1" * json_text.MAX_BYTES
    assert call(client, target.on("/a", answer(body=largest))).result == largest.decode()

    refusal = refused(client, target.on("/a", answer(body=largest + b"1")))

    assert (refusal.reason, refusal.can_retry) == ("the target answered with more than 5000000 bytes", False)


# -- connections


def test_connections_are_kept(target: HttpTarget, client: HttpClient) -> None:
    for behave in (answer(), answer(404), chunks(b"[1]"), compressed(b"{}"), answer(204, b"")):
        call(client, target.on("/a", behave))
    call(client, target.url("/a"), method="HEAD", body=None)

    assert target.connections == 1


@pytest.mark.parametrize("headers", [{"Connection": "close"}, {}])
def test_a_connection_that_the_target_closes_after_an_answer_is_not_used_again(
    target: HttpTarget, client: HttpClient, headers: dict[str, str]
) -> None:
    url = target.on("/a", answer(headers=headers))
    call(client, url)
    target.disconnect()

    assert call(client, url).status == 200
    assert target.connections == 2


@pytest.mark.parametrize("pause", [0.0, 0.05])
def test_what_a_target_says_unasked_is_not_the_answer_of_the_next_call(
    target: HttpTarget, client: HttpClient, pause: float
) -> None:
    def answer_and_time_out(wire: Wire) -> None:
        wire.send(response(body=b'"answer"'))
        wire.pause(pause)
        wire.send(response(408, b'"unasked"'))

    url = target.on("/a", answer_and_time_out)
    call(client, url)
    target.wait_until_idle()

    assert call(client, url) == Answered(status=200, result='"answer"')


def test_an_interim_answer_does_not_shift_the_answers_of_a_connection(target: HttpTarget, client: HttpClient) -> None:
    def early_hints(wire: Wire) -> None:
        wire.send(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n")
        wire.pause(0.05)
        wire.finish(response(body=wire.call.body))

    url = target.on("/a", early_hints)

    assert [call(client, url, body=str(n)).result for n in range(3)] == ["0", "1", "2"]
    assert target.connections == 1


def test_calls_in_threads_have_budgets_of_their_own(target: HttpTarget, client: HttpClient) -> None:
    slow, hanging = target.on("/slow", answer(after=0.5)), target.on("/hanging", hang())

    with ThreadPoolExecutor(2) as threads:
        started = time.monotonic()
        patient = threads.submit(call, client, slow, budget=5)
        impatient = threads.submit(refused, client, hanging, budget=0.2)
        assert impatient.result().can_retry
        assert time.monotonic() - started < 0.5
        assert patient.result().status == 200


def test_a_target_knows_how_many_calls_it_had_at_a_time(target: HttpTarget, client: HttpClient) -> None:
    url = target.on("/a", hang(answer()))

    with ThreadPoolExecutor(3) as threads:
        for key in ("a", "a", "b"):
            threads.submit(call, client, url, headers={"Idempotency-Key": key})
        target.wait_for_calls(3)
        target.release()

    assert (target.most_at_a_time("a"), target.most_at_a_time("b"), target.most_of_any_key) == (2, 1, 2)
