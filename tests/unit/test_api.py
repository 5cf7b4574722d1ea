"""The API: API Gateway's events in, its responses out."""

import base64
import json
import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, ClassVar
from urllib.parse import quote

import pytest
from aws_lambda_powertools import Metrics

from task_service.domain.task import Body, State
from task_service.entrypoints.api.app import Api
from task_service.testing import FakeClock, InMemoryPlatform, InMemoryTemplates, ScriptedOutside
from task_service.usecases.authorize import Authorizer
from tests.support.builders import NOW, services, stored_template, task
from tests.support.gateway import headers_of, of_rest_api

RESOURCES = {
    "/v1/task/": "/v1/task/{taskName}",
    "/v1/taskResult/": "/v1/taskResult/{taskID}",
    "/v1/taskStatus/": "/v1/taskStatus/{taskID}",
    "/v1/taskTemplates/": "/v1/taskTemplates/{name}",
    "/v1/taskList/": "/v1/taskList/{taskListName}",
    "/v1/taskListStatus/": "/v1/taskListStatus/{taskListID}",
    "/v1/taskListTemplates/": "/v1/taskListTemplates/{name}",
    "/v1/policies/": "/v1/policies/{repository}/{group}/{name}/{version}",
}


pytestmark = pytest.mark.usefixtures("gateway")


class World:
    """The API on fakes."""

    gateway: Callable[[dict[str, Any]], dict[str, Any]] = staticmethod(of_rest_api)
    """Makes the event that the API gets."""

    def __init__(self, guard: Authorizer | None = None) -> None:
        self.clock = FakeClock(NOW)
        templates = InMemoryTemplates(records={"greet": stored_template()})
        platform = InMemoryPlatform(clock=self.clock, task_templates=templates)
        self.tasks, self.lists, self.queue = platform.tasks, platform.lists, platform.queue
        self.templates, self.list_templates = platform.task_templates, platform.list_templates
        self.keys, self.bodies = platform.keys, platform.bodies
        self.pauses: list[float] = []
        self.in_pause: Callable[[], None] = lambda: None
        self.remaining_milliseconds = 28_000
        settings = {"TEMPLATE_WRITES": "on", "RETENTION_DAYS": "1"}
        if guard is not None:
            auth = {"AUTH_ENABLED": "on", "AUTH_JWK_URL": "https://issuer.example/keys"}
            settings |= auth | {"AUTH_ADMIN_SCOPE": guard.admin_scope}
        outside = ScriptedOutside(tokens=guard.tokens if guard else None)
        made = services(platform, outside, settings=settings, pause=self._pause)
        self.waiting = made.waiter
        self.metrics = Metrics(namespace="Test", service="task")
        self.api = Api(lambda: made, self.metrics)

    def _pause(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.pauses.append(seconds)
        self.in_pause()

    def ask(self, method: str, path: str, **event: Any) -> "Answer":
        """The answer to a request, whose path is given as it is sent."""
        resource, parameters = path, None
        for prefix, pattern in RESOURCES.items():
            if path.startswith(prefix):
                names = re.findall(r"\{(\w+)\}", pattern)
                segments = path.removeprefix(prefix).split("/", len(names) - 1)
                resource, parameters = pattern, dict(zip(names, segments, strict=False))
        if found := re.fullmatch(r"(/v1/(tasks|taskLists)/)([^/]+)(/(cancel|replay))", path):
            name = "taskID" if found[2] == "tasks" else "taskListID"
            resource, parameters = f"{found[1]}{{{name}}}{found[4]}", {name: found[3]}
        whole: dict[str, Any] = {
            "httpMethod": method,
            "path": path,
            "resource": resource,
            "pathParameters": parameters,
            "headers": {},
            "multiValueHeaders": {},
            "queryStringParameters": None,
            "multiValueQueryStringParameters": None,
            "requestContext": {"requestId": "r"},
            "body": None,
            "isBase64Encoded": False,
        }
        context = SimpleNamespace(aws_request_id="r", get_remaining_time_in_millis=lambda: self.remaining_milliseconds)
        answer = Answer(self.api.resolve(self.gateway(whole | event), context))
        self.metrics.clear_metrics()
        return answer


class Answer:
    def __init__(self, response: dict[str, Any]) -> None:
        self.status: int = response["statusCode"]
        self.text: str = response["body"]
        self.headers = headers_of(response)

    @property
    def json(self) -> Any:
        return json.loads(self.text)


@pytest.fixture
def world() -> World:
    return World()


def assert_problem(answer: Answer, status: int, kind: int, message: str) -> None:
    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/json"
    body = answer.json
    assert set(body) == {"id", "kind", "message", "type", "title", "status", "detail"}
    assert (body["kind"], body["status"], body["message"]) == (kind, status, message)
    assert body["id"]


class TestCreating:
    @pytest.mark.parametrize(
        "body", ['"text"', "1", "null", "true", "[1]", "{}", "[]", '{"b":1, "a":12345678901234567890}']
    )
    def test_any_json_value_is_taken_as_sent(self, world: World, body: str) -> None:
        answer = world.ask("POST", "/v1/task/greet", body=body)
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "application/json"
        assert list(answer.json) == ["taskID"]
        assert world.tasks.records[answer.json["taskID"]].request == Body(text=body)

    @pytest.mark.parametrize(
        "content_type", [None, "application/json; charset=utf-8", "application/x-www-form-urlencoded", "text/plain"]
    )
    def test_the_content_type_does_not_matter(self, world: World, content_type: str | None) -> None:
        headers = {"content-type": content_type} if content_type else {}
        assert world.ask("POST", "/v1/task/greet", body="{}", headers=headers).status == 200

    def test_cache_headers_are_read_in_any_case(self, world: World) -> None:
        headers = {"X-Cache-Namespace": "n", "x-cache-scope": "s"}
        answer = world.ask("POST", "/v1/task/greet", body="1", headers=headers)
        record = world.tasks.records[answer.json["taskID"]]
        assert (record.cache_namespace, record.cache_scope) == ("n", "s")

    def test_cache_headers_are_any_text_without_the_spaces_around_it(self, world: World) -> None:
        headers = {"x-cache-namespace": " Zürich\t", "x-cache-scope": "東京"}
        answer = world.ask("POST", "/v1/task/greet", body="1", headers=headers)
        record = world.tasks.records[answer.json["taskID"]]
        assert (record.cache_namespace, record.cache_scope) == ("Zürich", "東京")

    @pytest.mark.parametrize("name", ["x-cache-namespace", "x-cache-scope"])
    def test_a_cache_header_with_control_characters_is_refused(self, world: World, name: str) -> None:
        answer = world.ask("POST", "/v1/task/greet", body="1", headers={name: "a\x00b"})
        assert answer.status == 400
        assert answer.json["message"].startswith(f"{name}: Unicode text without control characters")
        assert world.tasks.records == {}

    @pytest.mark.parametrize(
        "name", ["müßig 名前", "a b", "a+b", "100%", "a%20b", "a/b", "a?b#c", '"quoted"', "~-._!$&'()*,;=:@", "…"]
    )
    def test_a_name_is_decoded_once(self, world: World, name: str) -> None:
        world.templates.records[name] = stored_template(name)
        answer = world.ask("POST", f"/v1/task/{quote(name, safe='')}", body="1")
        assert answer.status == 200
        assert world.tasks.records[answer.json["taskID"]].name == name

    def test_a_name_that_is_sent_unencoded_is_understood(self, world: World) -> None:
        world.templates.records['a "b" é'] = stored_template('a "b" é')
        assert world.ask("POST", '/v1/task/a "b" é', body="1").status == 200

    @pytest.mark.parametrize("gateway", ["REST"], indirect=True)
    def test_a_name_that_is_not_utf_8_is_refused(self, world: World) -> None:
        assert_problem(world.ask("POST", "/v1/task/%ff", body="1"), 400, 1, "the name in the path is not valid UTF-8")

    def test_an_unknown_template_is_not_found(self, world: World) -> None:
        assert_problem(world.ask("POST", "/v1/task/nobody", body="1"), 404, 5, "task template not found")

    @pytest.mark.parametrize("body", [None, "", " \n"])
    def test_no_payload_is_refused(self, world: World, body: str | None) -> None:
        assert_problem(world.ask("POST", "/v1/task/greet", body=body), 400, 1, "missing required payload")

    @pytest.mark.parametrize("body", ["{", "NaN", "\ufeff{}", "{} {}", "[" * 10_001 + "]" * 10_001])
    def test_malformed_json_is_refused_with_what_and_where(self, world: World, body: str) -> None:
        answer = world.ask("POST", "/v1/task/greet", body=body)
        assert answer.status == 400
        assert answer.json["kind"] == 1
        assert answer.json["message"].startswith("payload is not valid JSON: ")

    def test_bytes_that_are_not_utf_8_are_refused(self, world: World) -> None:
        body = base64.b64encode(b'"\xff"').decode()
        answer = world.ask("POST", "/v1/task/greet", body=body, isBase64Encoded=True)
        assert_problem(answer, 400, 1, "payload is not valid UTF-8: at byte 1")
        answer = world.ask("POST", "/v1/task/greet", body='"\ufffd"')
        assert answer.status == 400
        assert "not valid UTF-8 at character 1" in answer.json["message"]

    def test_a_base64_body_is_decoded(self, world: World) -> None:
        body = base64.b64encode('"é"'.encode()).decode()
        answer = world.ask("POST", "/v1/task/greet", body=body, isBase64Encoded=True)
        assert world.tasks.records[answer.json["taskID"]].request == Body(text='"é"')

    def test_a_body_beyond_the_limit_is_413(self, world: World) -> None:
        answer = world.ask("POST", "/v1/task/greet", body='"' + "x" * 5_000_000 + '"')
        assert_problem(answer, 413, 1, "payload too large: 5000002 bytes, at most 5000000 are allowed")

    def test_a_queue_that_does_not_answer_is_503_without_details(self, world: World) -> None:
        world.queue.faults.before = 1
        answer = world.ask("POST", "/v1/task/greet", body="1")
        assert answer.status == 503
        assert answer.json["kind"] == 7
        assert "http" not in answer.text

    def test_an_unforeseen_fault_is_500_without_details(self, world: World) -> None:
        def fail(_: object) -> None:
            raise RuntimeError("secret 10.0.0.1")

        world.tasks.add = fail  # type: ignore[method-assign,assignment]
        assert_problem(world.ask("POST", "/v1/task/greet", body="1"), 500, 7, "internal error")


class TestReading:
    @pytest.mark.parametrize("result", ['"text"', "[1,2]", "7", "null", '{"b": 1,  "a": 123456789012345678901}'])
    def test_a_result_is_given_as_it_came(self, world: World, result: str) -> None:
        world.tasks.records["t"] = task("t", state=State.DONE, result=Body(text=result))
        answer = world.ask("GET", "/v1/taskResult/t")
        assert (answer.status, answer.text) == (200, result)
        assert answer.headers["Content-Type"] == "application/json"

    @pytest.mark.parametrize("accept", ["text/html", "application/xml", "*/*", "nonsense"])
    def test_json_comes_whatever_is_accepted(self, world: World, accept: str) -> None:
        world.tasks.records["t"] = task("t", state=State.DONE, result=Body(text="1"))
        answer = world.ask("GET", "/v1/taskResult/t", headers={"accept": accept})
        assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")

    @pytest.mark.parametrize("state", [State.CREATED, State.PENDING])
    def test_a_result_that_is_not_there_yet_is_404(self, world: World, state: State) -> None:
        world.tasks.records["t"] = task("t", state=state)
        assert_problem(world.ask("GET", "/v1/taskResult/t"), 404, 5, "no result, task is not completed")

    def test_a_failed_task_is_424_with_the_reason(self, world: World) -> None:
        world.tasks.records["t"] = task("t", state=State.FAILED, error="the target answered 500")
        answer = world.ask("GET", "/v1/taskResult/t")
        assert_problem(answer, 424, 0, "task failed: the target answered 500")

    @pytest.mark.parametrize("path", ["/v1/taskResult/nobody", "/v1/taskStatus/nobody"])
    def test_an_unknown_id_is_404(self, world: World, path: str) -> None:
        assert_problem(world.ask("GET", path), 404, 5, "task is not found")

    @pytest.mark.parametrize("path", ["/v1/taskResult/t", "/v1/taskStatus/t"])
    def test_a_task_whose_retention_has_ended_is_gone(self, world: World, path: str) -> None:
        world.tasks.records["t"] = task("t", state=State.DONE, result=Body(text="1"), expires_at=NOW)
        assert_problem(world.ask("GET", path), 404, 5, "task is not found")

    @pytest.mark.parametrize(
        ("state", "status"),
        [(State.DONE, 200), (State.CREATED, 201), (State.PENDING, 202), (State.FAILED, 207), (State.CANCELLED, 207)],
    )
    def test_the_status_says_where_a_task_stands(self, world: World, state: State, status: int) -> None:
        started = None if state is State.CREATED else NOW
        world.tasks.records["t"] = task(
            "t",
            state=state,
            attempt=2,
            started_at=started,
            holder="a",
            response_code=503,
            error="the target answered 503",
        )
        answer = world.ask("GET", "/v1/taskStatus/t")
        assert answer.status == status
        assert answer.json == {
            "id": "t",
            "name": "greet",
            "status": state.value,
            "attempts": 2 if started else 1,
            "responseCode": 503,
            "createdAt": "2026-01-01T00:00:00.000Z",
            "startedAt": "2026-01-01T00:00:00.000Z" if started else None,
            "finishedAt": None,
            "error": "the target answered 503",
            "history": [self.LAST] if state.is_final else [],
        }

    LAST: ClassVar = {
        "attempt": 2,
        "startedAt": "2026-01-01T00:00:00.000Z",
        "finishedAt": None,
        "responseCode": 503,
        "error": "the target answered 503",
    }

    def test_the_status_tells_of_redirects_where_there_were_any(self, world: World) -> None:
        world.tasks.records["t"] = task("t", state=State.DONE, redirects=3, final_origin="https://login.example")
        answer = world.ask("GET", "/v1/taskStatus/t")
        assert (answer.json["redirects"], answer.json["finalOrigin"]) == (3, "https://login.example")

    def test_a_task_that_waits_for_a_retry_is_under_way(self, world: World) -> None:
        world.tasks.records["t"] = task("t", attempt=2, started_at=NOW, not_before=NOW)
        answer = world.ask("GET", "/v1/taskStatus/t")
        assert (answer.status, answer.json["status"], answer.json["attempts"]) == (202, "pending", 1)

    def test_a_task_that_has_not_started_has_no_attempts(self, world: World) -> None:
        world.tasks.records["t"] = task("t")
        assert world.ask("GET", "/v1/taskStatus/t").json["attempts"] == 0


class TestRoutes:
    @pytest.mark.parametrize(
        ("method", "path", "allow"),
        [
            ("GET", "/v1/task/greet", "POST"),
            ("HEAD", "/v1/task/greet", "POST"),
            ("OPTIONS", "/v1/task/greet", "POST"),
            ("DELETE", "/v1/taskResult/t", "GET"),
            ("POST", "/v1/taskTemplates/greet", "GET, PUT, DELETE"),
            ("HEAD", "/liveness", "GET"),
        ],
    )
    def test_a_wrong_method_is_405_with_what_is_allowed(self, world: World, method: str, path: str, allow: str) -> None:
        answer = world.ask(method, path)
        assert_problem(answer, 405, 0, "method not allowed")
        assert answer.headers["Allow"] == allow

    @pytest.mark.parametrize(
        "path", ["/", "/nowhere", "/v1/task/", "/v1/task/greet/", "/v1//task/greet", "/liveness/", "/v1/taskTemplates/"]
    )
    def test_what_names_no_resource_is_404(self, world: World, path: str) -> None:
        assert_problem(world.ask("POST", path, body="1"), 404, 5, "not found")

    @pytest.mark.parametrize("gateway", ["REST"], indirect=True)
    def test_a_base_path_of_a_custom_domain_does_not_matter(self, world: World) -> None:
        answer = world.ask(
            "POST",
            "/base/v1/task/greet",
            body="1",
            resource="/v1/task/{taskName}",
            pathParameters={"taskName": "greet"},
        )
        assert answer.status == 200


class TestHealth:
    @pytest.mark.parametrize("path", ["/liveness", "/readiness"])
    def test_a_service_that_is_up_says_so(self, world: World, path: str) -> None:
        answer = world.ask("GET", path)
        assert answer.status == 200
        assert answer.json == {"service": "task", "status": "up", "version": "2.0.0"}

    @pytest.mark.parametrize(("part", "name"), [("tasks", "table"), ("queue", "queue")])
    def test_readiness_names_what_does_not_answer(self, world: World, part: str, name: str) -> None:
        getattr(world, part).faults.before = 1
        assert_problem(world.ask("GET", "/readiness"), 503, 7, f"not ready: the {name} does not answer")


class TestTemplates:
    def test_a_template_is_written_read_replaced_and_deleted(self, world: World) -> None:
        body = '{"url":"https://a.example/","method":"GET"}'
        created = world.ask("PUT", "/v1/taskTemplates/a%2Fb", body=body)
        assert created.status == 201
        assert created.json == {"name": "a/b", "url": "https://a.example/", "method": "GET"}
        read = world.ask("GET", "/v1/taskTemplates/a%2Fb")
        assert (read.status, read.text, read.headers["ETag"]) == (200, created.text, created.headers["ETag"])
        replaced = world.ask("PUT", "/v1/taskTemplates/a%2Fb", body=body, headers={"if-match": read.headers["ETag"]})
        assert replaced.status == 200
        assert world.ask("DELETE", "/v1/taskTemplates/a%2Fb").status == 204
        assert_problem(world.ask("GET", "/v1/taskTemplates/a%2Fb"), 404, 5, "task template not found")

    def test_a_stale_edit_is_412(self, world: World) -> None:
        body = '{"url":"https://a.example/","method":"GET"}'
        answer = world.ask("PUT", "/v1/taskTemplates/greet", body=body, headers={"If-Match": '"stale"'})
        assert_problem(answer, 412, 0, "the task template has been changed since, or is not there")

    def test_templates_are_listed(self, world: World) -> None:
        answer = world.ask("GET", "/v1/taskTemplates", multiValueQueryStringParameters={"limit": ["1"]})
        assert answer.status == 200
        assert [item["name"] for item in answer.json["items"]] == ["greet"]
        assert answer.json["next"] is None


def test_every_error_is_logged_under_its_id(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="task")
    answer = world.ask("POST", "/v1/task/nobody", body="1")
    assert answer.json["id"] in {getattr(record, "error_id", None) for record in caplog.records}


class TestPolicies:
    BODY = json.dumps({"source": "package g.n\nx := 1", "data": {"limit": 1.50}})

    def test_a_policy_is_written_read_listed_and_deleted(self, world: World) -> None:
        path = "/v1/policies/r%20%C3%A9/g/n%2Bx/1.0"
        created = world.ask("PUT", path, body=self.BODY)
        assert created.status == 201
        assert created.json == {
            "repository": "r é",
            "group": "g",
            "name": "n+x",
            "version": "1.0",
            "source": "package g.n\nx := 1",
            "data": {"limit": 1.5},
        }
        read = world.ask("GET", path)
        assert (read.status, read.text, read.headers["ETag"]) == (200, created.text, created.headers["ETag"])
        assert world.ask("GET", "/v1/policies").json == {"items": [created.json], "next": None}
        again = world.ask("PUT", path, body=read.text, headers={"If-Match": read.headers["ETag"]})
        assert again.status == 200
        assert world.ask("PUT", path, body=self.BODY, headers={"If-Match": '"stale"'}).status == 412
        assert world.ask("DELETE", path).status == 204
        assert_problem(world.ask("GET", path), 404, 5, "policy not found")

    @pytest.mark.parametrize(
        ("path", "member"),
        [("a%2Fb/g/n/1", "repository"), ("r/%20/n/1", "group"), ("r/g/n%2F/1", "name"), ("r/g/n/%2F", "version")],
    )
    @pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
    @pytest.mark.parametrize("gateway", ["REST"], indirect=True)
    def test_each_part_of_the_name_is_one_name(self, world: World, method: str, path: str, member: str) -> None:
        answer = world.ask(method, f"/v1/policies/{path}", body=self.BODY)
        assert answer.status == 400
        assert answer.json["message"].startswith(f"{member}: a name without slashes is expected in the path")

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            ("{}", "source: Field required"),
            ("[]", "policy: a JSON object is expected"),
            ('{"source": ""}', "source: String should have at least 1 character"),
            ('{"source": 5}', "source: Input should be a valid string"),
            ('{"source": "x", "data": []}', "data: a JSON object is expected"),
            ('{"source": "x", "more": 1}', "more: is not a member of a policy"),
            ('{"source": "x", "group": "other"}', "group: 'other' is not what the path says, 'g'"),
            ('{"source": "x", "data": {"a": 1e400}}', "policy: a number is larger than any that can"),
        ],
    )
    def test_what_is_wrong_is_named(self, world: World, body: str, message: str) -> None:
        answer = world.ask("PUT", "/v1/policies/r/g/n/1", body=body)
        assert answer.status == 400
        assert answer.json["message"].startswith(message)

    def test_other_methods_are_not_allowed(self, world: World) -> None:
        answer = world.ask("POST", "/v1/policies/r/g/n/1", body="{}")
        assert (answer.status, answer.headers["Allow"]) == (405, "GET, PUT, DELETE")


def test_why_a_task_failed_is_told_and_not_logged(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="task")
    world.tasks.records["t"] = task("t", state=State.FAILED, error="the target answered 422: 4111-1111")
    answer = world.ask("GET", "/v1/taskResult/t")
    assert (answer.status, answer.json["message"]) == (424, "task failed: the target answered 422: 4111-1111")
    assert not any("4111" in str(vars(record)) for record in caplog.records)
    assert answer.json["id"] in {getattr(record, "error_id", None) for record in caplog.records}


class TestHeadersOfEveryAnswer:
    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", "/v1/taskStatus/x"),
            ("GET", "/v1/tasks"),
            ("PATCH", "/v1/tasks"),
            ("GET", "/v1/taskTemplates"),
            ("GET", "/x"),
        ],
    )
    def test_no_cache_keeps_it_and_no_browser_guesses_its_type(self, world: World, method: str, path: str) -> None:
        answer = world.ask(method, path)
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"

    @pytest.mark.parametrize("path", ["/v1/taskStatus/x", "/v1/taskResult/x", "/v1/taskListStatus/x"])
    @pytest.mark.parametrize("headers", [{}, {"Prefer": "wait=1"}])
    def test_what_can_be_waited_for_varies_with_prefer(self, world: World, path: str, headers: dict[str, str]) -> None:
        assert world.ask("GET", path, headers=headers).headers["Vary"] == "Prefer"


class TestConditionalReads:
    PATH = "/v1/taskTemplates/greet"

    def test_a_version_that_the_client_has_is_not_sent_again(self, world: World) -> None:
        read = world.ask("GET", self.PATH)
        assert (read.status, read.headers["Cache-Control"]) == (200, "no-cache")
        for sent in (read.headers["ETag"], f"W/{read.headers['ETag']}", f'"x", {read.headers["ETag"]}', "*"):
            again = world.ask("GET", self.PATH, headers={"If-None-Match": sent})
            assert (again.status, again.text, again.headers["ETag"]) == (304, "", read.headers["ETag"])
        assert world.ask("GET", self.PATH, headers={"If-None-Match": '"other"'}).status == 200

    def test_of_several_versions_one_has_to_be_there(self, world: World) -> None:
        body, tag = '{"url": "http://127.0.0.1:9/x", "method": "GET"}', world.ask("GET", self.PATH).headers["ETag"]
        assert world.ask("PUT", self.PATH, body=body, headers={"If-Match": '"a", "b"'}).status == 412
        assert world.ask("PUT", self.PATH, body=body, headers={"If-Match": f"W/{tag}"}).status == 412
        assert world.ask("PUT", self.PATH, body=body, headers={"If-Match": f'"a", {tag}'}).status == 200


def test_what_a_client_sends_is_not_logged(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="task")
    answer = world.ask("PUT", "/v1/taskTemplates/greet", body='{"card-4111-1111": 1, "method": "4111-1111"}')
    assert "card-4111-1111" in answer.json["message"]
    assert "4111-1111" not in "".join(str(vars(record)) for record in caplog.records)
    assert answer.json["id"] in {getattr(record, "error_id", None) for record in caplog.records}
