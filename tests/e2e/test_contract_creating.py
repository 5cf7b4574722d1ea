"""Creating tasks, as clients of v1.1.0 do it."""

import json
from typing import Final
from urllib.parse import quote

import pytest

from tests.support.api import Answer, Api
from tests.support.behaviours import answer
from tests.support.targets import HttpTarget

MAX_BYTES: Final = 5_000_000

KIND: Final = {400: 1, 413: 1, 404: 5, 405: 0}


def has_error(refusal: Answer, status: int, message: str = "") -> bool:
    """Whether it is an error with every member that errors have, and `message` is how the message begins."""
    body = refusal.json()
    assert refusal.status == status, body
    assert set(body) == {"id", "kind", "message", "type", "title", "status", "detail"}
    assert (body["kind"], body["status"], body["type"]) == (KIND[status], status, "about:blank")
    assert body["id"]
    assert body["title"]
    assert body["message"].startswith(message)
    return True


@pytest.fixture
def name(api: Api, target: HttpTarget) -> str:
    """A template whose target answers at once."""
    return api.template(target.on("/", answer()))


def test_creation_answers_with_the_id_and_nothing_else(api: Api, name: str) -> None:
    created = api.call("POST", f"/v1/task/{name}", '{"a":1}')
    assert created.status == 200
    assert list(created.json()) == ["taskID"]
    assert api.done(created.json()["taskID"])["name"] == name


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "application/json",
        "application/json; charset=utf-8",
        "application/x-www-form-urlencoded",
        "application/octet-stream",
        "application/cloudevents+json",
        "text/plain; charset=iso-8859-1",
        "multipart/form-data",
        "nonsense",
    ],
)
def test_the_body_is_json_whatever_its_content_type(
    api: Api, name: str, target: HttpTarget, content_type: str | None
) -> None:
    task_id = api.create(name, '{"grüße":"😀"}', {} if content_type is None else {"Content-Type": content_type})
    api.done(task_id)
    assert [call.body.decode() for call in target.calls] == ['{"grüße":"😀"}']


@pytest.mark.parametrize("accept", ["text/html", "image/png;q=0.1", "application/xml", "*/*;q=0", "nonsense"])
def test_the_answer_is_json_whatever_the_client_accepts(api: Api, name: str, target: HttpTarget, accept: str) -> None:
    api.done(api.create(name, "{}", {"Accept": accept}))
    assert len(target.calls) == 1


@pytest.mark.parametrize(
    "body",
    [
        '"text"',
        '""',
        "0",
        "-0",
        "null",
        "true",
        "[]",
        "{}",
        "[1,[2,[]],{}]",
        "123456789012345678901234567890",
        "1e400",
        "0.10",
        '{"b":1,"a":2,"b":3}',
        '{ "b" : 1 ,\n\t"a": [ ] }',
        r'"\u0041\/\ud83d\ude00\ud800\ufffd"',
        '"\u2028 \u00e9 \U0001f600"',
        '{"n":9007199254740993,"m":1.0,"k":1E+2}',
    ],
)
def test_a_body_reaches_the_target_as_it_was_sent(api: Api, name: str, target: HttpTarget, body: str) -> None:
    api.done(api.create(name, body))
    assert target.calls[0].body == body.encode()


def test_a_body_may_be_nested_ten_thousand_deep_and_no_deeper(api: Api, name: str, target: HttpTarget) -> None:
    deepest = "[" * 10_000 + "]" * 10_000
    api.done(api.create(name, deepest))
    assert target.calls[0].body == deepest.encode()
    refusal = api.call("POST", f"/v1/task/{name}", f"[{deepest}]")
    assert has_error(refusal, 400, "payload is not valid JSON: nested deeper than 10000")


@pytest.mark.parametrize("body", [None, "", " ", "\r\n\t "])
def test_an_empty_body_is_refused(api: Api, name: str, body: str | None) -> None:
    assert has_error(api.call("POST", f"/v1/task/{name}", body), 400, "missing required payload")


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b"{", "line 1 column 2"),
        (b'{"a":1,}', "line 1 column"),
        (b"{'a':1}", "line 1 column 2"),
        (b'{"a":\n01}', "line 2 column"),
        (b"nonsense", "line 1 column 1"),
        (b"NaN", "NaN"),
        (b"[-Infinity]", "-Infinity"),
        (b'"\n"', "line 1 column"),
        (b"\xef\xbb\xbf{}", "byte order mark at line 1 column 1"),
        (b'"\xff"', "not valid UTF-8 at character 1"),
        (b'{"a":"\xc3\x28"}', "not valid UTF-8 at character 6"),
        (b"{} x", "line 1 column 4"),
        (b"{}{}", "line 1 column 3"),
        (b"1 2", "line 1 column 3"),
    ],
)
def test_what_is_not_one_json_value_is_refused_and_the_place_is_named(
    api: Api, name: str, target: HttpTarget, body: bytes, where: str
) -> None:
    refusal = api.call("POST", f"/v1/task/{name}", body)
    assert has_error(refusal, 400, "payload is not valid ")
    assert where in refusal.json()["message"]
    assert not target.calls


def test_a_body_of_five_megabytes_is_taken_and_a_byte_more_is_not(api: Api, name: str) -> None:
    largest = '"' + "a" * (MAX_BYTES - 2) + '"'
    assert api.call("POST", f"/v1/task/{name}", largest).status == 200
    refusal = api.call("POST", f"/v1/task/{name}", largest + " ")
    assert has_error(refusal, 413, "payload too large")
    assert "5000000" in refusal.json()["message"]


def test_a_body_that_cannot_be_carried_is_refused_in_the_same_words(api: Api, name: str) -> None:
    for body in ('"' + r"\"" * 2_000_000 + '"', '"' + "a" * 13_000_000 + '"'):
        assert api.call("POST", f"/v1/task/{name}", body).status == 413


@pytest.mark.parametrize(
    "name",
    [
        "no-such-template",
        "x" * 2_100,
    ],
    ids=["word", "very long"],
)
def test_an_unknown_template_is_not_found(api: Api, name: str) -> None:
    assert has_error(api.call("POST", f"/v1/task/{name}", "{}"), 404, "task template not found")


@pytest.mark.parametrize(
    "name", ["grüße 日本 😀", "a b", " a", "a+b", "50%", "a/b", "a%2Fb", "a?b#c", "x;y=1,z", '<"&\\>', "A" * 900]
)
def test_a_name_is_decoded_once(api: Api, target: HttpTarget, name: str) -> None:
    api.template(target.on("/", answer()), name=name)
    assert api.done(api.create(name))["name"] == name
    once_more = quote(quote(name, safe=""), safe="")
    if "%" in once_more:
        assert has_error(api.call("POST", f"/v1/task/{once_more}", "{}"), 404, "task template not found")


def test_a_plus_in_a_name_is_a_plus(api: Api, target: HttpTarget) -> None:
    api.template(target.on("/", answer()), name="one+one")
    assert api.call("POST", "/v1/task/one+one", "{}").status == 200
    assert has_error(api.call("POST", "/v1/task/one%20one", "{}"), 404)


# An HTTP API decodes the path itself.
@pytest.mark.parametrize("api", ["REST"], indirect=True)
def test_a_name_that_is_no_text_is_refused(api: Api) -> None:
    assert has_error(api.call("POST", "/v1/task/%ff", "{}"), 400)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize(
    "path",
    ["/", "/v1", "/v1/task", "/v1/task/", "/v1/task/a/", "/v2/task/a", "//liveness", "/liveness/"],
)
def test_an_unknown_route_is_not_found(api: Api, method: str, path: str) -> None:
    assert has_error(api.call(method, path, "{}"), 404, "not found")


# An HTTP API decodes %2F, so the service takes a slash in the last part of a path for a part of a name.
@pytest.mark.parametrize("api", ["REST"], indirect=True)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_a_slash_in_a_name_makes_another_route(api: Api, method: str) -> None:
    assert has_error(api.call(method, "/v1/task/a/b", "{}"), 404, "not found")


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/v1/task/a", {"POST"}),
        ("/v1/taskResult/a", {"GET"}),
        ("/v1/taskStatus/a", {"GET"}),
        ("/v1/taskTemplates", {"GET"}),
        ("/v1/taskTemplates/a", {"GET", "PUT", "DELETE"}),
        ("/liveness", {"GET"}),
        ("/readiness", {"GET"}),
    ],
)
def test_a_wrong_method_is_told_what_is_allowed(api: Api, path: str, allowed: set[str]) -> None:
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} - allowed:
        refusal = api.call(method, path, "{}")
        assert has_error(refusal, 405, "method not allowed")
        assert set(refusal.headers["Allow"].split(", ")) == allowed
    head = api.call("HEAD", path)
    assert (head.status, set(head.headers["Allow"].split(", ")), head.body) == (405, allowed, b"")


def test_every_error_has_an_id_of_its_own(api: Api) -> None:
    errors = [api.call("POST", "/v1/task/no-such-template", "{}").json()["id"] for _ in range(3)]
    assert len(set(errors)) == 3


@pytest.mark.parametrize("value", ["", "tenant", "a b/c"])
def test_cache_headers_change_nothing_for_the_target(api: Api, name: str, target: HttpTarget, value: str) -> None:
    headers = {"x-cache-namespace": value, "X-Cache-Scope": value}
    api.done(api.create(name, "{}", headers))
    assert not any(header.lower().startswith("x-cache") for header in target.calls[0].headers)


@pytest.mark.parametrize("path", ["/liveness", "/readiness"])
def test_health(api: Api, path: str) -> None:
    health = api.call("GET", path)
    assert health.status == 200
    assert health.json() == {"service": "task", "status": "up", "version": health.json()["version"]}


def test_answers_are_json_also_to_odd_queries_and_headers(api: Api, name: str) -> None:
    created = api.call("POST", f"/v1/task/{name}?a=1&a=2&%ff=%00&b", "{}", {"X-Odd": "\xff", "Expect-Ct": "x" * 4_000})
    assert created.status == 200
    assert json.loads(created.body)["taskID"]
