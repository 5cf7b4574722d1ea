"""Who is let in: every route and method, before anything else is looked at."""

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from task_service.adapters.http.endpoint import EndpointFailed
from task_service.adapters.identity.jwks import Jwks
from task_service.adapters.identity.jwt import JwtVerifier
from task_service.usecases.authorize import Authorizer
from tests.support.builders import stored_template
from tests.support.tokens import ADMIN, AUDIENCE, BAD, ISSUER, Issuer
from tests.unit.test_api import World, assert_problem

pytestmark = pytest.mark.usefixtures("gateway")

ISSUED_BY = Issuer()

ROUTES = [
    ("POST", "/v1/task/greet"),
    ("GET", "/v1/taskResult/x"),
    ("GET", "/v1/taskStatus/x"),
    ("GET", "/v1/tasks"),
    ("POST", "/v1/taskList/l"),
    ("GET", "/v1/taskListStatus/x"),
    ("GET", "/v1/taskLists"),
    ("GET", "/v1/taskTemplates"),
    ("GET", "/v1/taskTemplates/greet"),
    ("PUT", "/v1/taskTemplates/greet"),
    ("DELETE", "/v1/taskTemplates/greet"),
    ("GET", "/v1/taskListTemplates"),
    ("GET", "/v1/taskListTemplates/l"),
    ("PUT", "/v1/taskListTemplates/l"),
    ("DELETE", "/v1/taskListTemplates/l"),
    ("GET", "/v1/policies"),
    ("GET", "/v1/policies/r/g/n/1"),
    ("PUT", "/v1/policies/r/g/n/1"),
    ("DELETE", "/v1/policies/r/g/n/1"),
    ("POST", "/v1/tasks/x/cancel"),
    ("POST", "/v1/tasks/x/replay"),
    ("POST", "/v1/taskLists/x/cancel"),
    ("POST", "/v1/taskLists/x/replay"),
    ("POST", "/v1/replays"),
    ("GET", "/v1/eventTasks"),
    ("PUT", "/v1/eventTasks"),
    ("DELETE", "/v1/eventTasks"),
    # A wrong method is not told what is allowed.
    ("OPTIONS", "/v1/task/greet"),
    ("HEAD", "/v1/taskTemplates"),
    ("DELETE", "/v1/taskResult/x"),
]


def guarded(fetch: Any = ISSUED_BY.jwks, *, admin_scope: str = ADMIN) -> World:
    def now() -> datetime:
        return datetime.now(UTC)

    keys = Jwks(fetch, interval=timedelta(hours=1), clock=now)
    tokens = JwtVerifier(keys=keys, audience=AUDIENCE, issuer=ISSUER, clock=now)
    return World(Authorizer(tokens=tokens, admin_scope=admin_scope))


@pytest.fixture
def world() -> World:
    return guarded()


def bearing(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize("headers", [{}, {"Authorization": ""}, {"authorization": "Basic YTpi"}, {"Cookie": "token=a"}])
def test_without_a_token_no_caller_is_let_in(world: World, method: str, path: str, headers: dict[str, str]) -> None:
    answer = world.ask(method, path, headers=headers, body="{ no JSON")

    assert_problem(answer, 401, 0, "a bearer token is required")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="task-service"'
    assert "Allow" not in answer.headers
    assert not world.tasks.records


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_with_a_bad_token_no_caller_is_let_in(world: World, method: str, path: str) -> None:
    for what, token in BAD.items():
        answer = world.ask(method, path, headers=bearing(token(ISSUED_BY)), body="{ no JSON")

        assert answer.status == 401, what
        assert_problem(answer, 401, 0, answer.json["message"])
        assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
    assert not world.tasks.records


@pytest.mark.parametrize("path", ["/liveness", "/readiness"])
def test_health_needs_no_token(world: World, path: str) -> None:
    for headers in ({}, bearing("bad")):
        assert world.ask("GET", path, headers=headers).status == 200
        assert world.ask("POST", path, headers=headers).status == 405


def test_liveness_needs_no_issuer_of_tokens() -> None:
    def down() -> bytes:
        raise EndpointFailed("down")

    world = guarded(down)

    assert world.ask("GET", "/liveness").status == 200
    answer = world.ask("GET", "/v1/taskStatus/x", headers=bearing(ISSUED_BY.token()))
    assert_problem(answer, 503, 7, "the keys that tokens are verified with are not available")


def test_an_unknown_route_stays_unknown(world: World) -> None:
    assert_problem(world.ask("GET", "/v1/taskStatus/x/"), 404, 5, "not found")


def test_a_good_token_lets_in(world: World) -> None:
    headers = {"authorization": f"bearer {ISSUED_BY.token()}"}

    assert world.ask("POST", "/v1/task/greet", headers=headers, body="1").status == 200
    assert world.ask("GET", "/v1/taskTemplates", headers=headers).status == 200
    assert world.ask("DELETE", "/v1/task/greet", headers=headers).status == 405


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
@pytest.mark.parametrize("path", ["/v1/taskTemplates/greet", "/v1/taskListTemplates/l"])
@pytest.mark.parametrize("scopes", [{}, {"scope": "task"}, {"scope": "xtask.admin task.adminx"}, {"scp": ["task"]}])
def test_writing_needs_the_scope(world: World, method: str, path: str, scopes: dict[str, Any]) -> None:
    answer = world.ask(method, path, headers=bearing(ISSUED_BY.token(**scopes)), body="{}")

    assert_problem(answer, 403, 0, "the token lacks the scope that this needs: task.admin")
    assert answer.headers["WWW-Authenticate"] == (
        'Bearer realm="task-service", error="insufficient_scope", scope="task.admin"'
    )
    assert "greet" in world.templates.records


@pytest.mark.parametrize("scopes", [{"scope": "openid task.admin"}, {"scp": ["task.admin"]}, {"scp": "task.admin"}])
def test_who_has_the_scope_may_write(world: World, scopes: dict[str, Any]) -> None:
    answer = world.ask("DELETE", "/v1/taskTemplates/greet", headers=bearing(ISSUED_BY.token(**scopes)))

    assert answer.status == 204
    assert not world.templates.records


def test_without_a_scope_every_caller_may_write() -> None:
    world = guarded(admin_scope="")

    assert world.ask("DELETE", "/v1/taskTemplates/greet", headers=bearing(ISSUED_BY.token())).status == 204


def test_tokens_are_not_logged(world: World, caplog: pytest.LogCaptureFixture) -> None:
    good, bad = ISSUED_BY.token(), BAD["forged claims"](ISSUED_BY)
    with caplog.at_level(logging.DEBUG):
        for token in (good, bad):
            world.ask("POST", "/v1/task/greet", headers=bearing(token), body="1")

    said = " ".join(str(vars(record)) for record in caplog.records)
    for token in (good, bad):
        for part in token.split("."):
            assert part not in said


class TestSecretsInTemplates:
    """The values of a template's headers are for administrators, where there are some."""

    SECRET = "key-4711"

    def world(self, **options: Any) -> World:
        world = guarded(**options)
        headers = {"X-Api-Key": self.SECRET, "X-Tenant": "acme"}
        world.templates.records["greet"] = stored_template(headers=headers)
        return world

    @pytest.mark.parametrize("path", ["/v1/taskTemplates/greet", "/v1/taskTemplates"])
    def test_other_callers_read_their_names_only(self, path: str) -> None:
        answer = self.world().ask("GET", path, headers={"Authorization": f"Bearer {ISSUED_BY.token()}"})
        assert answer.status == 200
        assert self.SECRET not in answer.text
        template = answer.json["items"][0] if path.endswith("s") else answer.json
        assert template["headers"] == {"X-Api-Key": "***", "X-Tenant": "***"}

    @pytest.mark.parametrize("options", [{}, {"admin_scope": ""}])
    def test_administrators_read_their_values(self, options: dict[str, str]) -> None:
        token = ISSUED_BY.token(scope=ADMIN if not options else "other")
        answer = self.world(**options).ask(
            "GET", "/v1/taskTemplates/greet", headers={"Authorization": f"Bearer {token}"}
        )
        assert answer.json["headers"] == {"X-Api-Key": self.SECRET, "X-Tenant": "acme"}
