"""Authentication on, in the local cloud: who is let in, what tasks may reach, and where the secret is."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import botocore.session
import pytest
import requests

from local.cloud import LocalCloud
from local.environment import PROJECT
from local.stack import Stack
from local.template import API, Template
from task_service.adapters.aws.secrets import AwsSecret
from task_service.adapters.identity.oauth import ClientCredentials
from task_service.domain.errors import Unavailable
from tests.support.behaviours import answer, redirect
from tests.support.gateway import DOCS
from tests.support.sessions import direct
from tests.support.targets import HttpTarget
from tests.support.tokens import ADMIN, AUDIENCE, BAD, ISSUER, Issuer
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

ISSUED_BY = Issuer()
OPEN = ("/liveness", "/readiness")
SECRET = "s3cret-of-the-environment"
FENCED = "the target's address is not public, and EGRESS_ALLOW does not open it"

[(_, API_PROPERTIES)] = Template.read(PROJECT / "template.yaml").resources(API)
ROUTES = [
    (method.upper(), resource)
    for resource, methods in API_PROPERTIES["DefinitionBody"]["paths"].items()
    for method in methods
    if method != "head" and not resource.startswith(DOCS)
]


@dataclass(frozen=True)
class World:
    cloud: LocalCloud
    target: HttpTarget
    session: requests.Session

    def ask(self, method: str, path: str, token: str | None = None, **rest: Any) -> requests.Response:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return self.session.request(method, self.cloud.api_url + path, headers=headers, timeout=30, **rest)

    def run(self, url: str) -> dict[str, Any]:
        """The status of a task that calls a URL, once it has ended."""
        name, admin = uuid4().hex, ISSUED_BY.token(scope=ADMIN)
        template = {"name": name, "url": url, "method": "GET"}
        assert self.ask("PUT", f"/v1/taskTemplates/{name}", admin, json=template).status_code == 201
        task = self.ask("POST", f"/v1/task/{name}", ISSUED_BY.token(), json={}).json()["taskID"]
        found: list[requests.Response] = []

        def ended() -> bool:
            found.append(self.ask("GET", f"/v1/taskStatus/{task}", ISSUED_BY.token()))
            return found[-1].status_code in (200, 207)

        wait_until(ended)
        status: dict[str, Any] = found[-1].json()
        return status


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with HttpTarget() as target, direct() as session:
        target.on("/keys", answer(body=ISSUED_BY.jwks()))
        target.on("/token", answer(body=b'{"access_token":"token-1","token_type":"Bearer","expires_in":3600}'))
        target.on("/v1/cache", answer(201))
        settings = {
            "AUTH_ENABLED": "true",
            "AUTH_JWK_URL": target.url("/keys"),
            "AUTH_REFRESH_INTERVAL": "10m",
            "AUTH_AUDIENCE": AUDIENCE,
            "AUTH_ISSUER": ISSUER,
            "AUTH_ADMIN_SCOPE": ADMIN,
            "OAUTH_TOKEN_URL": target.url("/token"),
            "OAUTH_CLIENT_ID": "task",
            "OAUTH_CLIENT_SECRET": SECRET,
            "CACHE_ADDR": target.url(""),
            "EGRESS_ALLOW": "127.0.0.1, opened.example",
        }
        with LocalCloud(settings=settings, directory=tmp_path_factory.mktemp("cloud")) as cloud:
            yield World(cloud, target, session)


def assert_refused(response: requests.Response, what: object) -> None:
    assert response.status_code == 401, (what, response.text)
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["WWW-Authenticate"].startswith('Bearer realm="task-service"')
    body = response.json()
    assert body.items() >= {"kind": 0, "status": 401, "title": "Unauthorized"}.items(), what
    assert {"id", "message", "type", "detail"} <= body.keys()


def test_every_route_refuses_every_bad_token(world: World) -> None:
    tokens: dict[str | None, str | None] = {None: None, **{what: token(ISSUED_BY) for what, token in BAD.items()}}
    asked = [(method, path, what) for method, path in ROUTES if path not in OPEN for what in tokens]

    def ask(case: tuple[str, str, str | None]) -> None:
        method, resource, what = case
        path = resource.replace("{", "").replace("}", "")
        assert_refused(world.ask(method, path, tokens[what], data=b"{ no JSON"), case)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(ask, asked))
    assert len(asked) > 2000


def test_a_task_and_a_template_tell_whose_tokens_changed_them(world: World) -> None:
    ada, bob = (ISSUED_BY.token(sub=sub, scope=ADMIN) for sub in ("Ada é", "bob"))
    name = uuid4().hex
    template = {"url": world.target.url("/slow"), "method": "GET"}
    assert world.ask("PUT", f"/v1/taskTemplates/{name}", ada, json=template).status_code == 201
    assert world.ask("GET", f"/v1/taskTemplates/{name}", bob).headers["x-changed-by"] == "Ada %C3%A9"
    world.target.on("/slow", answer(after=2))
    task = world.ask("POST", f"/v1/task/{name}", ada, json={}).json()["taskID"]
    assert world.ask("POST", f"/v1/tasks/{task}/cancel", bob).status_code == 200
    status = world.ask("GET", f"/v1/taskStatus/{task}", ada).json()
    assert (status["createdBy"], status["cancelledBy"]) == ("Ada é", "bob")
    assert "replayedBy" not in status


def test_health_needs_no_token(world: World) -> None:
    for path in OPEN:
        for token in (None, "bad", ISSUED_BY.token()):
            assert world.ask("GET", path, token).status_code == 200


def test_an_unknown_route_is_not_found(world: World) -> None:
    for token in (None, "bad", ISSUED_BY.token()):
        assert world.ask("GET", "/v1/unknown", token).status_code == 404


def test_with_a_token_an_example_runs(world: World) -> None:
    for key_id in ("rsa", "p256", "ed"):
        token = ISSUED_BY.token(key_id)
        task = world.ask("POST", "/v1/task/hello", token, data='{"greeting": "hello"}').json()["taskID"]

        wait_until(lambda: world.ask("GET", f"/v1/taskResult/{task}", token).status_code == 200)  # noqa: B023


def test_writing_needs_the_scope(world: World) -> None:
    template = {"name": "mine", "url": world.target.url("/a"), "method": "GET"}

    answered = world.ask("PUT", "/v1/taskTemplates/mine", ISSUED_BY.token(scope="task"), json=template)
    assert answered.status_code == 403
    assert answered.headers["WWW-Authenticate"] == (
        f'Bearer realm="task-service", error="insufficient_scope", scope="{ADMIN}"'
    )
    assert world.ask("DELETE", "/v1/taskTemplates/hello", ISSUED_BY.token()).status_code == 403
    assert world.ask("GET", "/v1/taskTemplates/mine", ISSUED_BY.token()).status_code == 404

    admin = ISSUED_BY.token(scope=f"openid {ADMIN}")
    assert world.ask("PUT", "/v1/taskTemplates/mine", admin, json=template).status_code == 201
    assert world.ask("DELETE", "/v1/taskTemplates/mine", admin).status_code == 204


def test_keys_are_asked_for_seldom(world: World) -> None:
    world.ask("GET", "/v1/taskTemplates", ISSUED_BY.token())

    processes = len(world.cloud.worker_pids("ApiFunction"))
    # The first fetch of each process, and at most one more for unknown keys in thirty seconds.
    assert len(world.target.calls_to("/keys")) <= 4 * max(processes, 4)


def test_tokens_are_not_in_the_log(world: World) -> None:
    token = ISSUED_BY.token()
    world.ask("GET", "/v1/taskTemplates", token)

    log = world.cloud.functions_log.read_text(encoding="utf-8")
    assert token.split(".")[2] not in log
    assert SECRET not in log


# -- what tasks may reach


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/",
        "http://[::1]:{port}/a",
        "http://127.0.0.2:{port}/a",
        "http://0x7f000002:{port}/a",
        "http://127.0.0.1:{port}/to-metadata",
    ],
)
def test_a_task_to_what_is_not_public_fails_at_once_and_says_so(world: World, url: str) -> None:
    world.target.on("/to-metadata", redirect("http://169.254.169.254/"))

    status = world.run(url.format(port=world.target.port))

    assert (status["status"], status["attempts"], status["error"]) == ("failed", 1, FENCED)


def test_a_task_to_what_is_opened_runs(world: World) -> None:
    assert world.run(world.target.on("/a", answer()))["status"] == "done"


# -- the secret


def test_the_secret_is_in_secrets_manager_and_nowhere_else(world: World) -> None:
    functions = world.cloud.client("lambda").list_functions()["Functions"]
    variables = [function["Environment"]["Variables"] for function in functions]
    names = {each["OAUTH_CLIENT_SECRET_NAME"] for each in variables if "OAUTH_CLIENT_SECRET_NAME" in each}
    assert names == {"task-service/oauth-client-secret"}
    stack = world.cloud.client("cloudformation").describe_stacks(StackName="task-service")
    template = world.cloud.client("cloudformation").get_template(StackName="task-service")["TemplateBody"]
    assert SECRET not in json.dumps([variables, stack, template], default=str)

    secret = AwsSecret("secretsmanager", "task-service/oauth-client-secret", client_of(world.cloud))
    assert secret() == SECRET


def client_of(cloud: LocalCloud) -> Any:
    session = botocore.session.get_session()
    endpoint = cloud.endpoint
    return lambda service: session.create_client(
        service,
        endpoint_url=endpoint.url,
        region_name=endpoint.region,
        aws_access_key_id=endpoint.access_key,
        aws_secret_access_key=endpoint.secret_key,
    )


@pytest.mark.parametrize("name", ["plain", "/with/a/path"])
def test_a_secret_may_be_a_parameter(world: World, name: str) -> None:
    parameters = world.cloud.client("ssm")
    parameters.put_parameter(Name=name, Value="first", Type="SecureString")
    secret = AwsSecret("ssm", name, client_of(world.cloud))
    assert secret() == "first"

    parameters.put_parameter(Name=name, Value="second", Type="SecureString", Overwrite=True)

    assert secret() == "first"
    secret.forget()
    assert secret() == "second"


@pytest.mark.parametrize("store", ["secretsmanager", "ssm"])
def test_a_secret_that_is_not_there_is_a_reason_to_come_again(world: World, store: str) -> None:
    with pytest.raises(Unavailable):
        AwsSecret(store, "nowhere", client_of(world.cloud))()


def test_a_token_is_got_with_the_secret(world: World) -> None:
    credentials = ClientCredentials(
        token_url=world.target.url("/token"),
        client_id="task",
        secret=AwsSecret("secretsmanager", "task-service/oauth-client-secret", client_of(world.cloud)),
        clock=lambda: datetime.now(UTC),
    )

    assert credentials(datetime.now(UTC) + timedelta(seconds=10)) == "token-1"


def test_the_cache_service_gets_the_token(world: World) -> None:
    key = world.run(world.target.on("/cached", answer()))["id"]

    def written() -> list[str | None]:
        calls = world.target.calls_to("/v1/cache")
        return [call.headers["Authorization"] for call in calls if call.headers["x-cache-key"] == key]

    wait_until(lambda: written() == ["Bearer token-1"])
    # One for each process that needed one.
    assert len(world.target.calls_to("/token")) <= 1 + len(world.cloud.worker_pids("ExecutorFunction"))


def test_functions_may_read_that_one_secret(world: World) -> None:
    document = policy_on_the_executor(world.cloud, "secret")

    [statement] = document["Statement"]
    assert statement["Action"] == "secretsmanager:GetSecretValue"
    assert statement["Resource"].endswith(":secret:task-service/oauth-client-secret-??????")


def policy_on_the_executor(cloud: LocalCloud, name: str) -> dict[str, Any]:
    role = Stack(cloud.endpoint).physical_id("ExecutorRole")
    document: dict[str, Any] = cloud.client("iam").get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
    return document
