"""Events of an HTTP API: what they have in a form of their own, and what they cannot say."""

import base64
from typing import Any

import pytest

from task_service.domain.errors import BadRequest
from task_service.entrypoints.api import routes
from task_service.entrypoints.api.request import Request
from task_service.entrypoints.api.response import Response
from tests.support.gateway import of_http_api
from tests.unit.test_api import World, assert_problem


def request(path: str = "/v1/tasks", *, stage: str = "$default", **members: Any) -> Request:
    event = of_http_api({"httpMethod": "GET", "path": path}, stage)
    return Request.from_event(event | members, None)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(World, "gateway", staticmethod(of_http_api))
    return World()


class TestRoutes:
    @pytest.mark.parametrize("route", routes.ROUTES, ids=lambda route: f"{route.method} {route.resource}")
    def test_every_route_is_found_by_its_path(self, route: routes.Route) -> None:
        names = [part[1:-1] for part in route.resource.split("/") if part.startswith("{")]
        path = route.resource.format_map({name: f"a-{name}" for name in names})

        assert routes.match(path) == (route.resource, {name: f"a-{name}" for name in names})

    @pytest.mark.parametrize(
        "path",
        (
            *("", "/", "/v1", "/v1/", "/v1/tasks/", "/v1/task/", "v1/tasks", "/V1/tasks", "/liveness/x"),
            *("/v1/policies/a/b/c", "/v1/policies//b/c/d", "/v1/tasks//cancel", "/v1/tasks/t/cancel/"),
            "/v1/tasks/t/cancel/x",
        ),
    )
    def test_a_path_that_is_none_of_them_names_no_resource(self, path: str) -> None:
        assert routes.match(path) == ("", {})

    def test_the_name_of_a_stage_is_not_part_of_the_path(self) -> None:
        read = request("/v1/taskStatus/t", stage="live")
        assert (read.resource, read.path) == ("/v1/taskStatus/{taskID}", "/v1/taskStatus/t")
        assert request("/v1/tasks").path == "/v1/tasks"
        assert request("/live/v1/tasks").resource == ""

    def test_a_route_of_its_own_comes_with_the_parts_of_its_path(self) -> None:
        read = request("/swagger-ui/a%20b")
        assert (read.resource, read.segment("proxy")) == ("/swagger-ui/{proxy+}", "a b")

    def test_an_unknown_route_is_logged_without_its_path(self, world: World, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level("INFO", logger="task")
        assert_problem(world.ask("GET", "/nowhere/secret"), 404, 5, "not found")
        assert [vars(record).get("route", "") for record in caplog.records] == ["", ""]


class TestPaths:
    """An HTTP API decodes a path before the function gets it."""

    @pytest.mark.parametrize(
        ("sent", "name"), [("a%2Fb", "a/b"), ("100%25", "100%"), ("a%252Fb", "a%2Fb"), ("a+b", "a+b")]
    )
    def test_a_name_is_decoded_once(self, sent: str, name: str) -> None:
        assert request(f"/v1/taskTemplates/{sent}").segment("name") == name

    def test_a_slash_in_a_part_of_a_policys_name_is_refused(self, world: World) -> None:
        answer = world.ask("GET", "/v1/policies/a%2Fb/g/n/1")
        assert_problem(answer, 400, 1, "version: a name without slashes is expected in the path, not 'n/1'")


class TestQueries:
    def test_of_a_repeated_parameter_the_last_value_counts_and_commas_are_part_of_it(self) -> None:
        read = request(
            rawQueryString="name=a&name=b%2Cc&state=&since=2026-01-01T00%3A00%3A00%2B01%3A00&x",
            queryStringParameters={"name": "a,b,c"},
        )
        assert read.query == {"name": "b,c", "state": "", "since": "2026-01-01T00:00:00+01:00", "x": ""}

    def test_without_a_query_there_are_no_parameters(self) -> None:
        assert request(rawQueryString="").query == {}


class TestHeadersAndBodies:
    def test_cookies_are_a_header(self) -> None:
        assert request(cookies=["a=1", "b=2"]).header("Cookie") == "a=1; b=2"
        assert request().header("Cookie") is None

    def test_the_lines_of_a_header_are_one_text(self) -> None:
        assert request(headers={"if-match": '"a","b"'}).header("If-Match") == '"a","b"'

    def test_a_body_that_is_not_text_comes_as_base64(self) -> None:
        encoded = base64.b64encode('{"ü": 1}'.encode()).decode()
        assert request(body=encoded, isBase64Encoded=True).payload() == '{"ü": 1}'
        with pytest.raises(BadRequest, match="payload is not valid UTF-8: at byte 0"):
            request(body=base64.b64encode(b"\xff").decode(), isBase64Encoded=True).payload()

    def test_an_event_without_body_is_an_empty_request(self) -> None:
        assert request().payload() == ""


def test_a_response_has_one_value_for_each_header() -> None:
    assert Response.json("[1]", status=207, headers={"ETag": '"a"'}).to_gateway(is_http_api=True) == {
        "statusCode": 207,
        "headers": {"Content-Type": "application/json", "ETag": '"a"'},
        "body": "[1]",
        "isBase64Encoded": False,
    }
