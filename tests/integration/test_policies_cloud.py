"""Policies through the API: written, used by tasks and lists, changed."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests

from local.cloud import LocalCloud
from tests.support.behaviours import answer
from tests.support.sessions import direct
from tests.support.targets import HttpTarget
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

CACHE_SECONDS = 1


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Service"]:
    """A cloud of its own, in which policies are remembered for a second only and have a second to end."""
    settings = {"TEMPLATE_CACHE_SECONDS": str(CACHE_SECONDS), "POLICY_TIMEOUT_SECONDS": "1"}
    with LocalCloud(directory=tmp_path_factory.mktemp("policies"), settings=settings) as cloud:
        yield Service(cloud)


class Service:
    """The API, as a client uses it."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.cloud = cloud
        self.session = direct()

    def ask(self, method: str, path: str, body: Any = None) -> requests.Response:
        """The answer to a request."""
        data = None if body is None else json.dumps(body)
        return self.session.request(method, f"{self.cloud.api_url}/v1/{path}", data=data, timeout=30)

    def policy(self, rules: str, *, data: Any = None, version: str = "") -> str:
        """The name of a policy with these rules."""
        name = f"tests/g/n/{version or uuid4().hex}"
        written = self.ask("PUT", f"policies/{name}", {"source": f"package g.n\n{rules}", "data": data})
        assert written.ok, written.text
        return name

    def template(self, **members: Any) -> str:
        """The name of a task template."""
        name = uuid4().hex
        written = self.ask("PUT", f"taskTemplates/{name}", members)
        assert written.ok, written.text
        return name

    def run(self, template: str, body: Any) -> requests.Response:
        """The result of a new task, good or bad."""
        task = self.ask("POST", f"task/{template}", body).json()["taskID"]
        wait_until(lambda: self.ask("GET", f"taskResult/{task}").status_code != 404)
        return self.ask("GET", f"taskResult/{task}")

    def evaluate(self, rules: str, body: Any, **rest: Any) -> requests.Response:
        """The result of a policy, by way of a task."""
        return self.run(self.template(requestPolicy=self.policy(rules, **rest)), body)


def test_the_example_runs(service: Service) -> None:
    result = service.run("greeting", {"name": "Ada", "language": "fr"})

    assert result.json() == {"language": "fr", "message": "Bonjour, Ada!"}


@pytest.mark.parametrize("rules", ["allow { input.a == 1 }", "import rego.v1\nallow if input.a == data.one"])
def test_a_policy_task_is_done(service: Service, rules: str) -> None:
    result = service.evaluate(rules, {"a": 1}, data={"one": 1})

    assert (result.status_code, result.json()) == (200, {"allow": True})


def test_response_and_final_policy_see_the_response(service: Service) -> None:
    with HttpTarget() as target:
        template = service.template(
            url=target.on("/", answer(body=b'{"n": 12345678901234567890}')),
            method="POST",
            responsePolicy=service.policy("_ := input.n"),
            finalPolicy=service.policy("result := input + 1"),
        )

        result = service.run(template, {})

    assert result.text == '{"result":12345678901234567891}'


def test_a_syntax_error_is_refused_with_its_place(service: Service) -> None:
    written = service.ask("PUT", "policies/tests/g/n/bad", {"source": "package g.n\n\nallow {\n"})

    assert written.status_code == 400
    assert written.json()["message"] == "source: line 3 column 7: expecting }"
    assert service.ask("GET", "policies/tests/g/n/bad").status_code == 404


def test_an_unknown_policy_fails_the_task_at_once(service: Service) -> None:
    result = service.run(service.template(requestPolicy="tests/g/n/nosuch"), {})

    assert result.status_code == 424
    assert result.json()["message"] == "task failed: policy 'tests/g/n/nosuch' is not known"


def test_a_policy_that_never_ends_fails_its_own_task_only(service: Service) -> None:
    never = service.template(
        requestPolicy=service.policy(
            "n := numbers.range(1, 1000)\nx { a := n[_]; b := n[_]; c := n[_]; d := n[_]; a + b + c + d == -1 }"
        )
    )
    good = service.template(requestPolicy=service.policy("x := input"))
    assert service.run(good, 1).json() == {"x": 1}
    hung = [service.ask("POST", f"task/{never}", {}).json()["taskID"] for _ in range(3)]

    started = time.monotonic()
    assert service.run(good, 2).json() == {"x": 2}
    took = time.monotonic() - started

    results = []
    for task in hung:
        wait_until(lambda task=task: service.ask("GET", f"taskResult/{task}").status_code != 404)  # type: ignore[misc]
        results.append(service.ask("GET", f"taskResult/{task}"))
    assert [result.status_code for result in results] == [424] * 3
    assert all("did not end within 1 s" in result.json()["message"] for result in results)
    # Every executor may be busy with a batch of the others, for as long as a policy may take.
    assert took < 10


def test_a_changed_policy_takes_effect_within_the_cache_time(service: Service) -> None:
    name = service.policy("x := 1", version="changing")
    template = service.template(requestPolicy=name)
    assert service.run(template, {}).json() == {"x": 1}

    service.policy("x := 2", version="changing")

    wait_until(lambda: service.run(template, {}).json() == {"x": 2})
    assert service.ask("DELETE", f"policies/{name}").status_code == 204
    wait_until(lambda: "is not known" in service.run(template, {}).json().get("message", ""))


@pytest.mark.parametrize(
    ("rules", "status", "state"),
    [("total := sum([r.a | some r in input])", 200, "done"), ("total := 1 / 0", 207, "failed")],
)
def test_a_group_s_final_policy_sees_all_results(service: Service, rules: str, status: int, state: str) -> None:
    task = service.template(requestPolicy=service.policy("a := input.a"))
    name = uuid4().hex
    group = {"execution": "parallel", "tasks": [task, task, task], "finalPolicy": service.policy(rules)}
    assert service.ask("PUT", f"taskListTemplates/{name}", {"groups": [group]}).ok

    made = service.ask("POST", f"taskList/{name}", {"a": 5}).json()["taskListID"]

    wait_until(lambda: service.ask("GET", f"taskListStatus/{made}").status_code in (200, 207))
    found = service.ask("GET", f"taskListStatus/{made}")
    assert (found.status_code, found.json()["groups"][0]["status"]) == (status, state)
    [group] = found.json()["groups"]
    assert group.get("result") == ({"total": 15} if state == "done" else None)
    assert ("cannot be evaluated" in group.get("error", "")) is (state == "failed")


def test_policies_are_listed(service: Service) -> None:
    service.policy("x := 1", version="listed")

    names = []
    cursor = ""
    while True:
        page = service.ask("GET", f"policies?limit=2{cursor}").json()
        names += [f"{item['repository']}/{item['group']}/{item['name']}/{item['version']}" for item in page["items"]]
        if page["next"] is None:
            break
        cursor = f"&next={page['next']}"

    assert {"examples/example/greeting/1.0", "tests/g/n/listed"} <= set(names)
    assert names == sorted(set(names))


def test_with_an_address_the_policy_service_is_asked(tmp_path: Path) -> None:
    with HttpTarget() as policies:
        policies.on("/policy/r/g/n/1/evaluation", answer(body=b'{"remote": true}'))
        policies.on("/policy/r/g/locked/1/evaluation", answer(403, b'{"message": "policy is locked"}'))
        with LocalCloud(directory=tmp_path, settings={"POLICY_ADDR": policies.url("/")}) as cloud:
            service = Service(cloud)

            result = service.run(service.template(requestPolicy="r/g/n/1"), {"a": 1})
            locked = service.run(service.template(requestPolicy="r/g/locked/1"), {"a": 1})

        assert (result.status_code, result.json()) == (200, {"remote": True})
        assert policies.calls[0].body == b'{"a": 1}'
        assert locked.status_code == 424
        assert "the policy service answered 403" in locked.json()["message"]
        assert "policy is locked" in locked.json()["message"]
        assert len(policies.calls) == 2
