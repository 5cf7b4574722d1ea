"""Task templates over HTTP."""

import base64
import json
from typing import Any, Final
from urllib.parse import quote
from uuid import uuid4

import pytest

from tests.e2e.test_contract_creating import has_error
from tests.support.api import Answer, Api

URL: Final = "http://target.example/greet"
LONG: Final = f"next={base64.urlsafe_b64encode(b'a' * 1_001).decode()}"
"""A cursor of a name that nothing can have."""


def put(api: Api, name: str, headers: dict[str, str] | None = None, /, **members: Any) -> Answer:
    """Write a template with these members."""
    return api.call("PUT", f"/v1/taskTemplates/{quote(name, safe='')}", json.dumps(members), headers)


def get(api: Api, name: str) -> Answer:
    """Read it."""
    return api.call("GET", f"/v1/taskTemplates/{quote(name, safe='')}")


def delete(api: Api, name: str, headers: dict[str, str] | None = None) -> Answer:
    """Delete it."""
    return api.call("DELETE", f"/v1/taskTemplates/{quote(name, safe='')}", None, headers)


def test_a_template_is_written_read_replaced_and_deleted(api: Api) -> None:
    created = put(api, "life", url=URL, method="POST")
    assert (created.status, created.json()) == (201, {"name": "life", "url": URL, "method": "POST"})
    read = get(api, "life")
    assert (read.status, read.json(), read.headers["ETag"]) == (200, created.json(), created.headers["ETag"])
    replaced = put(api, "life", url=URL, method="GET", timeoutSeconds=1.5)
    assert (replaced.status, replaced.json()["timeoutSeconds"]) == (200, 1.5)
    assert get(api, "life").headers["ETag"] == replaced.headers["ETag"] != created.headers["ETag"]
    gone = delete(api, "life")
    assert (gone.status, gone.body) == (204, b"")
    assert has_error(get(api, "life"), 404, "task template not found")
    assert has_error(delete(api, "life"), 404, "task template not found")


def test_an_example_of_v1_1_0_is_taken_as_it_is(api: Api) -> None:
    name = f"exampleTask-{uuid4().hex}"
    written = put(
        api,
        name,
        _id={"$oid": "6380ab02f7b8c2d1e0a4c3f1"},
        name=name,
        url=URL,
        method="GET",
        requestPolicy="",
        responsePolicy="",
        finalPolicy="",
        cacheNamespace="login",
        cacheScope="user",
    )
    assert written.status == 201
    assert written.json() == {
        "name": name,
        "url": URL,
        "method": "GET",
        "cacheNamespace": "login",
        "cacheScope": "user",
    }


@pytest.mark.parametrize(
    ("members", "parts"),
    [
        ({"url": URL, "method": "POST", "color": 1}, ["color", "cacheScope"]),
        ({"url": URL, "method": "FETCH"}, ["method", "GET"]),
        ({"url": "ftp://a/b", "method": "GET"}, ["url", "ftp", "http"]),
        ({"url": "http:///a", "method": "GET"}, ["url", "host"]),
        ({"url": "http://a:99999/", "method": "GET"}, ["url"]),
        ({"url": "a b", "method": "GET"}, ["url"]),
        ({"url": URL}, ["method", "requestPolicy"]),
        ({"method": "GET"}, ["url", "requestPolicy"]),
        ({}, ["requestPolicy"]),
        ({"url": URL, "method": "GET", "timeoutSeconds": 0}, ["timeoutSeconds", "0"]),
        ({"url": URL, "method": "GET", "timeoutSeconds": 3600}, ["timeoutSeconds", "50"]),
        ({"url": URL, "method": "GET", "retry": {"maxAttempts": 0}}, ["retry.maxAttempts", "1"]),
        ({"url": URL, "method": "GET", "retry": {"times": 3}}, ["retry.times"]),
        ({"url": URL, "method": "GET", "retry": 3}, ["retry: a JSON object is expected"]),
        ({"url": URL, "method": "GET", "retry": {"minDelaySeconds": 2, "maxDelaySeconds": 1}}, ["retry", "maxDelay"]),
        ({"url": URL, "method": "GET", "acceptStatus": ["many"]}, ["acceptStatus", "many", "2xx"]),
        ({"url": URL, "method": "GET", "headers": {"Host": "a"}}, ["headers", "Host"]),
        ({"url": URL, "method": "GET", "headers": {"X": "a\r\nY: b"}}, ["headers", "X"]),
        ({"url": URL, "method": "GET", "name": "other"}, ["name", "other"]),
    ],
)
def test_a_wrong_template_is_refused_with_member_fault_and_what_is_allowed(
    api: Api, members: dict[str, Any], parts: list[str]
) -> None:
    refusal = put(api, "wrong", **members)
    assert has_error(refusal, 400)
    assert [part for part in parts if part not in refusal.json()["message"]] == []
    assert get(api, "wrong").status == 404


@pytest.mark.parametrize("body", [None, "", "{", "[]", "null", '"a"', '{"a":NaN}'])
def test_a_template_that_is_no_object_is_refused(api: Api, body: str | None) -> None:
    assert has_error(api.call("PUT", "/v1/taskTemplates/wrong", body), 400)


@pytest.mark.parametrize(
    ("path", "body", "status", "parts"),
    [
        ("policies/r/g/n/1", r'{"source": "package g.n", "data": {"a": "\ud800"}}', 400, ["data", "surrogate"]),
        ("taskTemplates/wrong", r'{"requestPolicy": "\ud800"}', 400, ["requestPolicy", "surrogate"]),
        ("eventTasks", r'{"key": "a", "namespace": "\ud800", "taskName": "b"}', 400, ["namespace", "surrogate"]),
        (
            "policies/r/g/n/1",
            f'{{"source": "package g.n", "data": {{"a": [{"1e15," * 58_000}1]}}}}',
            413,
            ["data", "1102", "300000"],
        ),
    ],
    ids=["policy", "task template", "event task", "policy that grows"],
)
def test_what_cannot_be_stored_is_refused(api: Api, path: str, body: str, status: int, parts: list[str]) -> None:
    refusal = api.call("PUT", f"/v1/{path}", body)
    assert has_error(refusal, status)
    assert [part for part in parts if part not in refusal.json()["message"]] == []


def test_of_two_editors_one_wins(api: Api) -> None:
    tag = put(api, "edited", url=URL, method="POST").headers["ETag"]
    assert put(api, "edited", {"If-Match": tag}, url=URL, method="GET").status == 200
    loser = put(api, "edited", {"If-Match": tag}, url=URL, method="PUT")
    assert (loser.status, loser.json()["kind"], loser.json()["status"]) == (412, 0, 412)
    assert get(api, "edited").json()["method"] == "GET"
    assert delete(api, "edited", {"If-Match": tag}).status == 412
    assert delete(api, "edited", {"If-Match": get(api, "edited").headers["ETag"]}).status == 204
    assert put(api, "edited", {"If-Match": "*"}, url=URL, method="GET").status == 412


def test_a_new_template_can_be_told_from_one_that_replaces(api: Api) -> None:
    name = f"new-{uuid4().hex}"
    assert put(api, name, {"If-None-Match": "*"}, url=URL, method="GET").status == 201
    assert put(api, name, {"If-None-Match": "*"}, url=URL, method="PUT").status == 412
    assert get(api, name).json()["method"] == "GET"


def test_pages_together_have_every_template_once_in_order(api: Api) -> None:
    names = [f"page-{number:02}-é /%" for number in range(25)]
    for name in names:
        put(api, name, url=URL, method="GET")
    found: list[str] = []
    path = "/v1/taskTemplates?limit=20"
    following: str | None = ""
    while following is not None:
        page = api.call("GET", path + (f"&next={quote(following, safe='')}" if following else "")).json()
        assert set(page) == {"items", "next"}
        assert len(page["items"]) <= 20
        found += [item["name"] for item in page["items"]]
        following = page["next"]
    assert found == sorted(set(found), key=str.encode)
    assert [name for name in found if name.startswith("page-")] == names


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=-1", "limit=a", "limit=", "next=%00", "next=!", LONG])
def test_a_wrong_question_for_a_page_is_refused(api: Api, query: str) -> None:
    assert has_error(api.call("GET", f"/v1/taskTemplates?{query}"), 400, query.partition("=")[0])
