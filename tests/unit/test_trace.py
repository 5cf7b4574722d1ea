"""Traces: what a creation brings, what every call carries, and what logs and states say of it."""

import json
import logging
import re
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from aws_lambda_powertools import Metrics

from bridge.envelope import envelope
from task_service.domain.call import Answered, HttpCall
from task_service.domain.cloud_event import from_envelope
from task_service.domain.context import NO_CONTEXT, Context
from task_service.domain.messages import to_text
from task_service.domain.template import StoredTemplate
from task_service.domain.trace import MAX_STATE, Trace, current_trace, trace_headers, work_in
from task_service.entrypoints.api.app import Api
from task_service.entrypoints.queues.event_batch import EventBatch
from task_service.entrypoints.queues.task_batch import Batch
from task_service.entrypoints.telemetry import Lines
from task_service.testing import FakeClock, InMemoryCache, InMemoryPlatform, ScriptedOutside, ScriptedTarget
from tests.support.builders import (
    CONTEXT,
    NOW,
    TRACE_ID,
    TRACEPARENT,
    TRACESTATE,
    list_document,
    services,
    stored_template,
)
from tests.support.events import binary, structured

OTHER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"


class TestTraceparent:
    @pytest.mark.parametrize(
        ("header", "flags"),
        [
            (TRACEPARENT, 1),
            (f" \t{TRACEPARENT} ", 1),
            (f"00-{TRACE_ID}-00f067aa0ba902b7-00", 0),
            (f"00-{TRACE_ID}-00f067aa0ba902b7-03", 3),
            (f"00-{TRACE_ID}-00f067aa0ba902b7-ff", 3),
            (f"01-{TRACE_ID}-00f067aa0ba902b7-ff", 1),
            (f"cc-{TRACE_ID}-00f067aa0ba902b7-01-what-the-future-will-be-like", 1),
        ],
    )
    def test_one_of_this_version_or_a_later_one_is_read(self, header: str, flags: int) -> None:
        assert Trace.of(header) == Trace(id=TRACE_ID, parent="00f067aa0ba902b7", flags=flags)

    @pytest.mark.parametrize(
        "header",
        [
            None,
            "",
            "oops",
            f"ff-{TRACE_ID}-00f067aa0ba902b7-01",
            f"00-{TRACE_ID}-00f067aa0ba902b7",
            f"00-{TRACE_ID}-00f067aa0ba902b7-01-",
            f"00-{TRACE_ID}-00f067aa0ba902b7-01-more",
            f"cc-{TRACE_ID}-00f067aa0ba902b7-01.more",
            f"00-{TRACE_ID.upper()}-00f067aa0ba902b7-01",
            f"00-{'0' * 32}-00f067aa0ba902b7-01",
            f"00-{TRACE_ID}-{'0' * 16}-01",
            f"00-{TRACE_ID[1:]}-00f067aa0ba902b7-01",
            f"00-{TRACE_ID}-00f067aa0ba902b7-1",
            f"00-{TRACE_ID}-00f067aa0ba902b7-0x",
            f"{TRACEPARENT}\n",
            f"{TRACEPARENT}, {TRACEPARENT}",
        ],
    )
    def test_what_is_not_valid_is_none(self, header: str | None) -> None:
        assert Trace.of(header, TRACESTATE) is None

    def test_a_new_trace_is_sampled_and_can_be_read(self) -> None:
        new, other = Trace.new(), Trace.new()
        assert Trace.of(new.traceparent) == new
        assert new.flags == 3
        assert new.id != other.id


class TestTracestate:
    @pytest.mark.parametrize(
        ("header", "kept"),
        [
            (TRACESTATE, TRACESTATE),
            ("a=1 , b=2\t,,c=3", "a=1,b=2,c=3"),
            ("0a_-*/@z=a b!~", "0a_-*/@z=a b!~"),
            ("fw529a3039@dt=FfYAAAAA", "fw529a3039@dt=FfYAAAAA"),
            (",".join(f"k{n}={n}" for n in range(32)), ",".join(f"k{n}={n}" for n in range(32))),
        ],
    )
    def test_what_is_valid_is_kept(self, header: str, kept: str) -> None:
        trace = Trace.of(TRACEPARENT, header)
        assert trace is not None
        assert trace.state == kept

    @pytest.mark.parametrize(
        "header",
        [
            "oops",
            "a=",
            "=1",
            "A=1",
            "a=1,a=2",
            "a b=1",
            "@a=1",
            "a=1=2",
            "a=é",
            "a=1\r\nX-Forged: 1",
            f"{'k' * 257}=1",
            f"k={'v' * 257}",
            ",".join(f"k{n}={n}" for n in range(33)),
        ],
    )
    def test_what_is_not_is_dropped_and_the_trace_goes_on(self, header: str) -> None:
        assert Trace.of(TRACEPARENT, header) == Trace.of(TRACEPARENT)

    def test_of_one_that_is_too_long_the_long_members_go_first_and_then_the_last(self) -> None:
        short = [f"k{n}={'v' * 97}" for n in range(6)]
        trace = Trace.of(TRACEPARENT, ",".join([short[0], f"long={'v' * 200}", *short[1:]]))
        assert trace is not None
        assert trace.state == ",".join(short[:5])
        assert len(trace.state) <= MAX_STATE


class TestTheTraceOfAThread:
    def test_each_call_has_a_span_id_of_its_own(self) -> None:
        work_in(Trace.of(TRACEPARENT, TRACESTATE))
        first, second = trace_headers(), trace_headers()
        spans = [re.fullmatch(rf"00-{TRACE_ID}-([0-9a-f]{{16}})-01", call["traceparent"]) for call in (first, second)]
        assert None not in spans
        assert len({"00f067aa0ba902b7", *(span[1] for span in spans if span)}) == 3
        assert first["tracestate"] == TRACESTATE

    def test_without_one_no_call_has_headers(self) -> None:
        work_in(None)
        assert trace_headers() == {}

    def test_a_context_is_read_as_it_was_written(self) -> None:
        for context in (NO_CONTEXT, CONTEXT, Context(trace=Trace.of(OTHER))):
            assert Context.from_text(context.to_text()) == context
        assert NO_CONTEXT.to_text() is None


@dataclass
class World:
    """The service on fakes, with a cache service; what is created is run by hand."""

    settings: dict[str, str] = field(default_factory=dict)
    target: ScriptedTarget = field(default_factory=ScriptedTarget)

    def __post_init__(self) -> None:
        self.platform = InMemoryPlatform(clock=FakeClock(NOW))
        self.cached: list[str | None] = []
        self.evaluated: list[dict[str, str]] = []
        cache = InMemoryCache(during=lambda: self.cached.append(_id()))
        self.outside = ScriptedOutside(target=self.target, cache=cache)
        self.outside.policies.policies["p"] = self._evaluate
        self.services = services(self.platform, self.outside, settings=self.settings)
        self.write("greet")

    def write(self, name: str, **members: Any) -> None:
        self.platform.task_templates.records[name] = stored_template(name, **members)

    def ask(
        self,
        method: str,
        resource: str,
        headers: dict[str, str] | None = None,
        *,
        extra: dict[str, Any] | None = None,
        **segments: str,
    ) -> Any:
        """The answer's body; headers that are repeated are joined, as gateways do."""
        event = {
            "httpMethod": method,
            "path": resource,
            "resource": resource,
            "pathParameters": segments,
            "headers": headers or {},
            "body": "1",
        }
        context = SimpleNamespace(aws_request_id="r", get_remaining_time_in_millis=lambda: 28_000)
        metrics = Metrics(namespace="Test", service="task")
        answer = Api(lambda: self.services, metrics).resolve(event | (extra or {}), context)
        metrics.clear_metrics()
        return json.loads(answer["body"])

    def create(self, name: str = "greet", **headers: str) -> str:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return str(self.ask("POST", "/v1/task/{taskName}", sent, taskName=name)["taskID"])

    def run(self) -> None:
        """Have the executor handle all messages, those of retries too."""
        metrics = Metrics(namespace="Test", service="task")
        context = SimpleNamespace(get_remaining_time_in_millis=lambda: 60_000)
        while self.platform.queue.sent:
            message = self.platform.queue.sent.pop(0).message
            if (due := getattr(message, "not_before", None)) is not None:
                self.platform.clock.now = max(self.platform.clock.now, due)  # type: ignore[attr-defined]
            attributes = {"ApproximateReceiveCount": "1"}
            record = {"messageId": "m", "receiptHandle": "r", "body": to_text(message), "attributes": attributes}
            made = self.services
            batch = Batch(metrics, isolates=True)
            batch.run({"Records": [record]}, context, made.message_handler.handle, made.batch_queues, made.clock)
        metrics.clear_metrics()

    def _evaluate(self, text: str) -> str:
        self.evaluated.append(trace_headers())
        return text


def _id() -> str | None:
    trace = current_trace()
    return trace.id if trace is not None else None


def trace_of(call: HttpCall) -> Trace:
    trace = Trace.of(call.headers["traceparent"], call.headers.get("tracestate"))
    assert trace is not None
    return trace


@pytest.fixture
def world() -> World:
    return World()


class TestTasks:
    def test_every_call_is_made_in_the_trace_of_the_creation(self, world: World) -> None:
        world.write("greet", responsePolicy="p")
        world.target.answers = [Answered(status=503, result="1"), Answered(status=200, result="1")]
        task_id = world.create(traceparent=TRACEPARENT, TraceState=TRACESTATE)
        world.run()
        first, second = (trace_of(call) for call in world.target.calls)
        [evaluated] = world.evaluated
        assert first.id == second.id == TRACE_ID
        assert first.state == second.state == evaluated["tracestate"] == TRACESTATE
        assert evaluated["traceparent"].startswith(f"00-{TRACE_ID}-")
        assert len({first.parent, second.parent, evaluated["traceparent"][36:52], "00f067aa0ba902b7"}) == 4
        assert world.cached == [TRACE_ID]
        assert world.ask("GET", "/v1/taskStatus/{taskID}", taskID=task_id)["traceId"] == TRACE_ID

    def test_without_a_valid_one_nothing_is_sent_nor_shown(self, world: World) -> None:
        ids = [world.create(), world.create(traceparent="oops", tracestate=TRACESTATE)]
        world.run()
        assert {name for call in world.target.calls for name in call.headers} & {"traceparent", "tracestate"} == set()
        for task_id in ids:
            assert "traceId" not in world.ask("GET", "/v1/taskStatus/{taskID}", taskID=task_id)

    def test_one_is_made_if_the_deployment_says_so(self) -> None:
        world = World(settings={"TRACE_NEW": "on"})
        ids = [world.create(), world.create(traceparent=TRACEPARENT)]
        world.run()
        made, brought = (trace_of(call) for call in world.target.calls)
        shown = [world.ask("GET", "/v1/taskStatus/{taskID}", taskID=task_id)["traceId"] for task_id in ids]
        assert shown == [made.id, brought.id]
        assert brought.id == TRACE_ID != made.id

    def test_a_template_with_a_traceparent_of_its_own_is_in_its_own_trace(self, world: World) -> None:
        world.write("greet", headers={"Traceparent": OTHER})
        world.create(traceparent=TRACEPARENT, tracestate=TRACESTATE)
        world.run()
        [call] = world.target.calls
        assert call.headers["Traceparent"] == OTHER
        assert {name.lower() for name in call.headers} & {"traceparent", "tracestate"} == {"traceparent"}

    def test_the_next_task_of_the_same_thread_is_in_no_trace(self, world: World) -> None:
        world.create(traceparent=TRACEPARENT)
        world.create()
        world.run()
        assert ["traceparent" in call.headers for call in world.target.calls] == [True, False]
        assert world.cached == [TRACE_ID, None]

    def test_a_repeated_creation_keeps_the_trace_of_the_first(self, world: World) -> None:
        first = world.create(traceparent=TRACEPARENT, Idempotency_Key="k")
        again = world.create(traceparent=OTHER, Idempotency_Key="k")
        assert first == again
        assert world.platform.tasks.records[first].context.trace == Trace.of(TRACEPARENT)
        assert _id() == TRACE_ID

    @pytest.mark.parametrize("key", [{}, {"idempotencyKey": "k"}], ids=["without keys", "with a key"])
    def test_the_tasks_of_a_batch_are_in_the_trace_of_the_request(self, world: World, key: dict[str, str]) -> None:
        orders = [{"name": "greet", "body": 1, **key}, {"name": "greet", "body": 2}]
        headers = {"traceparent": TRACEPARENT, "tracestate": TRACESTATE}
        world.ask("POST", "/v1/tasks", headers, extra={"body": json.dumps(orders)})
        assert [task.context for task in world.platform.tasks.records.values()] == [CONTEXT, CONTEXT]
        assert _id() == TRACE_ID

    def test_two_traceparents_are_none(self, world: World) -> None:
        world.create(traceparent=f"{TRACEPARENT}, {OTHER}")
        assert [task.context for task in world.platform.tasks.records.values()] == [NO_CONTEXT]


def test_every_task_of_a_list_is_in_its_trace(world: World) -> None:
    for name in ("t0", "t1"):
        world.write(name)
    document = list_document("sequential 2", "parallel 2", final_policy="p")
    world.platform.list_templates.records["many"] = StoredTemplate(name="many", document=document, etag="1")
    headers = {"traceparent": TRACEPARENT}
    list_id = world.ask("POST", "/v1/taskList/{taskListName}", headers, taskListName="many")["taskListID"]
    world.run()
    calls = [trace_of(call) for call in world.target.calls]
    assert [trace.id for trace in calls] == [TRACE_ID] * 4
    assert len({trace.parent for trace in calls}) == 4
    assert [headers["traceparent"][3:35] for headers in world.evaluated] == [TRACE_ID] * 2
    # Four results and the list's status.
    assert world.cached == [TRACE_ID] * 5
    assert world.ask("GET", "/v1/taskListStatus/{taskListID}", taskListID=list_id)["traceId"] == TRACE_ID
    assert world.ask("GET", "/v1/taskStatus/{taskID}", taskID=f"{list_id}.1.1")["traceId"] == TRACE_ID


class TestEvents:
    @pytest.mark.parametrize(
        "published",
        [
            structured("1", traceparent=TRACEPARENT, tracestate=TRACESTATE),
            binary("1", ce_traceparent=TRACEPARENT, ce_tracestate=TRACESTATE),
        ],
        ids=["structured", "binary"],
    )
    def test_a_task_of_an_event_is_in_the_events_trace(self, world: World, published: Any) -> None:
        name = '["did:web:example.com","Login","Administration"]'
        event_task = {"key": "did:web:example.com", "namespace": "Login", "scope": "Administration"}
        document = json.dumps({**event_task, "taskName": "greet"})
        world.platform.event_tasks.records[name] = StoredTemplate(name=name, document=document, etag="1")
        world.write("greet", requestPolicy="p")
        record = {"messageId": "m", "body": envelope(*published), "attributes": {"ApproximateReceiveCount": "1"}}
        EventBatch(Metrics(namespace="Test", service="task")).run({"Records": [record]}, world.services.event_handler)
        assert [task.context for task in world.platform.tasks.records.values()] == [CONTEXT]

    @pytest.mark.parametrize("attribute", [7, None, "oops", [TRACEPARENT]])
    def test_an_event_whose_traceparent_is_not_valid_is_an_event_all_the_same(self, attribute: Any) -> None:
        event = from_envelope(envelope(*structured("1", traceparent=attribute, tracestate=TRACESTATE)))
        assert event.trace is None


def test_every_line_about_a_task_has_its_trace(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[dict[str, Any]] = []
    lines = Lines()
    monkeypatch.setattr(logging.StreamHandler, "emit", lambda _, record: seen.append(dict(vars(record))))
    monkeypatch.setattr(logging.getLogger("task"), "handlers", [lines])
    caplog.set_level(logging.INFO, logger="task")
    assert world.outside.cache is not None
    world.outside.cache.refuses = 1
    task_id = world.create(traceparent=TRACEPARENT)
    world.run()
    world.ask("GET", "/v1/taskStatus/{taskID}", taskID=task_id)
    world.ask("GET", "/v1/taskResult/{taskID}", taskID=task_id)
    actions = [(line["action"], line.get("trace_id")) for line in seen]
    assert {trace_id for _, trace_id in actions} == {TRACE_ID}
    assert {action for action, _ in actions} == {"answer", "run", "cache", "step"}
