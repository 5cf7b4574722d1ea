"""The host's part of API Gateway: the resource of a path, and the event of a request."""

import json
from pathlib import Path
from typing import Any

import pytest

from host.gateway import Match, Received, event_of, match, path_of
from host.settings import Settings, SettingsError
from task_service.entrypoints.api.routes import ROUTES

EVENTS = Path(__file__).resolve().parents[2] / "events"


def received(target: str, **rest: Any) -> Received:
    return Received(
        **({"method": "GET", "target": target, "headers": (), "body": b"", "source_ip": "203.0.113.7"} | rest)
    )


def event(target: str, **rest: Any) -> dict[str, Any]:
    return event_of(received(target, **rest), match(path_of(target)[0]), "id")


@pytest.mark.parametrize("resource", sorted({route.resource for route in ROUTES}))
def test_every_resource_is_found_by_its_path(resource: str) -> None:
    names = [part[1:-1] for part in resource.split("/") if part.startswith("{")]
    path = resource.replace("{", "").replace("}", "")
    assert match(path) == Match(resource=resource, parameters={name: name for name in names})


@pytest.mark.parametrize("path", ["/", "/v1", "/v2/tasks", "/v1/task", "/v1/task/", "/v1/task//", "/v1/task/a/b", "//"])
def test_other_paths_have_no_resource(path: str) -> None:
    assert match(path) == Match(resource="", parameters={})


def test_a_slash_at_the_end_is_left_to_the_api() -> None:
    assert match("/v1/tasks/").resource == "/v1/tasks"
    assert event("/v1/tasks/")["path"] == "/v1/tasks/"


@pytest.mark.parametrize("name", ["a%2Fb", "%E2%82%AC", "%FF", "a+b", "a;b", "..", "%2e%2e"])
def test_a_name_in_the_path_stays_as_it_was_sent(name: str) -> None:
    assert event(f"/v1/task/{name}")["pathParameters"] == {"taskName": name}


@pytest.mark.parametrize(
    ("path", "resource", "parameters"),
    [
        ("/swagger-ui", "/swagger-ui", {}),
        ("/swagger-ui/", "/swagger-ui", {}),
        ("/swagger-ui/openapi.json", "/swagger-ui/{proxy+}", {"proxy": "openapi.json"}),
        ("/swagger-ui/a/b", "/swagger-ui/{proxy+}", {"proxy": "a/b"}),
        ("/status/", "/status", {}),
        ("/status/page.js", "/status/{proxy+}", {"proxy": "page.js"}),
    ],
)
def test_the_documentation_is_another_functions(path: str, resource: str, parameters: dict[str, str]) -> None:
    assert match(path) == Match(resource=resource, parameters=parameters, is_docs=True)


def test_the_host_in_a_target_is_no_part_of_the_path() -> None:
    assert path_of("http://example.com/v1/tasks?state=done") == ("/v1/tasks", "state=done")
    assert path_of("http://example.com") == ("/", "")


def test_a_query_is_decoded_and_keeps_what_is_repeated_and_what_is_empty() -> None:
    made = event("/v1/tasks?state=done&state=failed&name=a%20b+c&empty=")
    assert made["multiValueQueryStringParameters"] == {"state": ["done", "failed"], "name": ["a b c"], "empty": [""]}
    assert made["queryStringParameters"] == {"state": "failed", "name": "a b c", "empty": ""}


def test_headers_that_are_repeated_keep_their_order() -> None:
    made = event("/v1/tasks", headers=[("X", "1"), ("Y", "2"), ("X", "3")])
    assert made["multiValueHeaders"] == {"X": ["1", "3"], "Y": ["2"]}


def test_bytes_that_are_not_utf_8_are_replaced_as_api_gateway_does() -> None:
    assert event("/v1/task/a", body=b'{"a":"\xff"}')["body"] == '{"a":"\ufffd"}'


@pytest.mark.parametrize("name", ["api-create-task", "api-liveness", "api-put-template", "api-task-result"])
def test_an_event_of_api_gateway_comes_out_as_it_is(name: str) -> None:
    known = json.loads((EVENTS / f"{name}.json").read_text())
    headers = [(header, value) for header, values in known["multiValueHeaders"].items() for value in values]
    made = event(known["path"], method=known["httpMethod"], headers=headers, body=(known["body"] or "").encode())
    compared = set(known) - {"requestContext"}
    assert {member: made[member] for member in compared} == {member: known[member] for member in compared}


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({}, "DATABASE_URL is not set"),
        ({"HTTP_PORT": "70000"}, "HTTP_PORT"),
        ({"WORKER_CONCURRENCY": "0"}, "WORKER_CONCURRENCY"),
        ({"HTTP_HEADER_TIMEOUT": "nan"}, "HTTP_HEADER_TIMEOUT"),
        ({"EXECUTOR_TIMEOUT_SECONDS": "60", "VISIBILITY_TIMEOUT_SECONDS": "60"}, "VISIBILITY_TIMEOUT_SECONDS"),
    ],
)
def test_a_setting_that_cannot_be_is_named(variables: dict[str, str], message: str) -> None:
    given = variables and {"DATABASE_URL": "postgresql://u:secret@db/tasks"} | variables
    with pytest.raises(SettingsError, match=message) as caught:
        Settings.from_environment(given)
    assert "secret" not in str(caught.value)
