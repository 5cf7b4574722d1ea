"""One trace through real HTTP: the target, the policy service and the cache service of one task and of one list."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from aws_lambda_powertools import Metrics

from task_service.adapters.cache_service import CacheService
from task_service.adapters.http.client import HttpClient
from task_service.adapters.http.connections import Dialler
from task_service.adapters.http.egress import anywhere
from task_service.adapters.policies.remote import RemotePolicies
from task_service.domain.template import StoredTemplate
from task_service.domain.trace import Trace
from task_service.entrypoints.api.app import Api
from task_service.testing import FakeClock, InMemoryPlatform
from task_service.wiring.services import Services, utc_now
from task_service.wiring.settings import Settings
from tests.support.behaviours import answer, in_turn, redirect
from tests.support.builders import TRACE_ID, TRACEPARENT, TRACESTATE, list_document, stored_template
from tests.support.targets import HttpTarget
from tests.support.wire import Call

POLICY = "repository/group/name/1.0"


class World:
    """The service, called over HTTP, and the three services that it calls over HTTP."""

    def __init__(self, target: HttpTarget, policies: HttpTarget, cache: HttpTarget, until: ExitStack) -> None:
        self.target, self.policies, self.cache = target, policies, cache
        policies.on(f"/policy/{POLICY}/evaluation", answer())
        cache.on("/v1/cache", in_turn(answer(503), answer(201)))
        self.clock = FakeClock(utc_now())
        self.platform = InMemoryPlatform(clock=self.clock)
        client, cache_client = (
            until.enter_context(closing(HttpClient(Dialler(permits=anywhere), clock=self.clock))) for _ in range(2)
        )
        remote = RemotePolicies(address=policies.url(""), user_agent="test", clock=self.clock)
        outside: Any = SimpleNamespace(
            tokens=None,
            target=client,
            policies=until.enter_context(closing(remote)),
            cache=CacheService(address=cache.url(""), target=cache_client, clock=self.clock, user_agent="test"),
        )
        self.services = Services(settings=Settings({}), platform=self.platform, outside=outside)

    def create(self, path: str) -> None:
        """Ask the API for a task or a list, in the trace, with a tracestate in two headers."""
        first, second = TRACESTATE.split(",")
        headers = {"traceparent": [TRACEPARENT], "tracestate": [first, second]}
        name = path.rpartition("/")[2]
        event = {
            "httpMethod": "POST",
            "path": path,
            "resource": path.replace(name, "{taskListName}" if "List" in path else "{taskName}"),
            "pathParameters": {"taskListName": name, "taskName": name},
            "multiValueHeaders": headers,
            "body": "{}",
        }
        context = SimpleNamespace(aws_request_id="r", get_remaining_time_in_millis=lambda: 28_000)
        answered = Api(lambda: self.services, Metrics(namespace="Test", service="task")).resolve(event, context)
        assert answered["statusCode"] == 200

    def run(self) -> None:
        """Handle every message, those of retries in their time."""
        sent = self.platform.queue.sent
        while sent:
            message: Any = sent.pop(0).message
            self.clock.now = max(self.clock.now, getattr(message, "not_before", None) or self.clock.now)
            deadline = self.clock.now + timedelta(seconds=60)
            self.services.message_handler.handle(message, receipt="r", deadline=deadline)

    @property
    def calls(self) -> list[Call]:
        return [*self.target.calls, *self.policies.calls, *self.cache.calls]


@pytest.fixture
def world() -> Iterator[World]:
    with HttpTarget() as target, HttpTarget() as policies, HttpTarget() as cache, ExitStack() as until:
        yield World(target, policies, cache, until)


def assert_one_trace(calls: list[Call]) -> None:
    """One trace id, and as many span ids as there are calls, none of them that of the creation."""
    traces = [Trace.of(call.headers["traceparent"], call.headers["tracestate"]) for call in calls]
    assert {trace.id if trace else None for trace in traces} == {TRACE_ID}
    assert {trace.state if trace else None for trace in traces} == {TRACESTATE}
    assert {trace.flags if trace else None for trace in traces} == {1}
    spans = {trace.parent for trace in traces if trace}
    assert len(spans) == len(calls)
    assert "00f067aa0ba902b7" not in spans


def test_a_task_is_seen_in_one_trace_by_all_that_it_calls(world: World) -> None:
    url = world.target.on("/greet", in_turn(answer(503), answer()))
    world.platform.task_templates.records["greet"] = stored_template(url=url, responsePolicy=POLICY)
    world.create("/v1/task/greet")
    world.run()
    # A retry of the call, and a retry of the write to the cache.
    assert [len(service.calls) for service in (world.target, world.policies, world.cache)] == [2, 1, 2]
    assert_one_trace(world.calls)


def test_a_list_is_seen_in_one_trace_by_all_that_it_calls(world: World) -> None:
    for name in ("t0", "t1"):
        url = world.target.on(f"/{name}", answer())
        world.platform.task_templates.records[name] = stored_template(name, url=url)
    document = list_document("parallel 2", "sequential 2", final_policy=POLICY)
    world.platform.list_templates.records["many"] = StoredTemplate(name="many", document=document, etag="1")
    world.create("/v1/taskList/many")
    world.run()
    # Four results and the list's status, of which one is written twice.
    assert [len(service.calls) for service in (world.target, world.policies, world.cache)] == [4, 2, 6]
    assert_one_trace(world.calls)


def test_a_trace_stays_with_its_origin_when_a_target_redirects(world: World) -> None:
    with HttpTarget() as elsewhere:
        found = elsewhere.on("/found", answer())
        here = world.target.on("/here", redirect(found, 302))
        url = world.target.on("/greet", redirect(here, 302))
        world.platform.task_templates.records["greet"] = stored_template(url=url, method="GET")
        world.create("/v1/task/greet")
        world.run()
        first, second = world.target.calls
        assert first.headers["traceparent"] == second.headers["traceparent"]
        [strange] = elsewhere.calls
        assert "traceparent" not in strange.headers
        assert "tracestate" not in strange.headers
