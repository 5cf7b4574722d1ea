"""A stream and a durable consumer that are there already: brought in line with NATS_SUBJECT, or named in the health."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import nats
import pytest
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, StreamConfig

from bridge.jetstream import covers, meet
from tests.integration.bridge.conftest import DURABLE, StartBridge
from tests.support.events import structured
from tests.support.nats import Bridge, NatsServer, event_ids, publish
from tests.support.sqs_server import SqsServer
from tests.support.waiting import wait_until


def jetstream(server: NatsServer, change: Callable[[JetStreamContext], Awaitable[Any]]) -> Any:
    """The answer of JetStream to an operator."""

    async def run() -> Any:
        client = await nats.connect(server.url)
        try:
            return await change(client.jetstream())
        finally:
            await client.close()

    return asyncio.run(run())


def consumer(**changes: Any) -> ConsumerConfig:
    """A durable consumer as the bridge makes it."""
    made: dict[str, Any] = {
        "durable_name": "task-service",
        "deliver_subject": "_INBOX.there",
        "deliver_group": "task-service",
        "ack_policy": AckPolicy.EXPLICIT,
        **changes,
    }
    return ConsumerConfig(**made)


def fault_of(bridge: Bridge) -> str:
    """Why NATS does not deliver; it is told with 503."""
    status, body = bridge.health()
    fault = body["nats"]["fault"]
    assert (status == 200) is (fault is None)
    return fault or ""


@pytest.mark.parametrize(
    ("before", "after", "published"),
    [
        ("external", "other", "other"),
        ("external", "other.>", "other.a.b"),
        ("cache.*", "events.*", "events.a"),
        ("external.a", "external.>", "external.b"),
        ("a.*", "a.b", "a.b"),
    ],
)
def test_a_subject_that_is_set_otherwise_is_brought_in_line(
    server: NatsServer, sqs: SqsServer, start_bridge: StartBridge, before: str, after: str, published: str
) -> None:
    assert start_bridge(**DURABLE, NATS_SUBJECT=before).stop() == 0

    bridge = start_bridge(**DURABLE, NATS_SUBJECT=after)
    publish(server.url, [structured("1")], published)

    sqs.wait_for(1)
    assert event_ids(sqs.taken) == ["1"]
    if not meet(before, after):
        publish(server.url, [structured("old")], before.replace("*", "x"))
        publish(server.url, [structured("2")], published)
        sqs.wait_for(2)
        assert event_ids(sqs.taken) == ["1", "2"]
    assert "from now on" in bridge.log


def test_what_an_operator_has_set_besides_stays(server: NatsServer, start_bridge: StartBridge) -> None:
    async def make(js: JetStreamContext) -> None:
        await js.add_stream(StreamConfig(name="events", subjects=["external"], max_msgs=777, description="mine"))
        await js.add_consumer("events", consumer(filter_subject="external", max_ack_pending=33))

    jetstream(server, make)
    start_bridge(**DURABLE, NATS_SUBJECT="other")

    stream = jetstream(server, lambda js: js.stream_info("events")).config
    durable = jetstream(server, lambda js: js.consumer_info("events", "task-service")).config
    assert (stream.subjects, stream.max_msgs, stream.description) == (["external", "other"], 777, "mine")
    assert (durable.filter_subject, durable.max_ack_pending, durable.deliver_subject) == ("other", 33, "_INBOX.there")


def test_a_stream_that_cannot_keep_the_subject_is_named(server: NatsServer, start_bridge: StartBridge) -> None:
    async def make(js: JetStreamContext) -> None:
        await js.add_stream(StreamConfig(name="events", subjects=["external"]))
        await js.add_stream(StreamConfig(name="others", subjects=["other.>"]))

    jetstream(server, make)
    bridge = start_bridge(**DURABLE, NATS_SUBJECT="other.a", well=False)
    wait_until(lambda: "NothingArrivesError" in fault_of(bridge))
    fault = fault_of(bridge)
    assert "NATS_SUBJECT is 'other.a', the stream 'events' keeps 'external'" in fault
    # As soon as the operator has mended it, events arrive.
    jetstream(server, lambda js: js.delete_stream("others"))
    wait_until(bridge.is_well)


def test_a_stream_that_can_keep_a_part_of_the_subject_delivers_that(
    server: NatsServer, sqs: SqsServer, start_bridge: StartBridge
) -> None:
    jetstream(server, lambda js: js.add_stream(StreamConfig(name="events", subjects=["a.*"])))
    bridge = start_bridge(**DURABLE, NATS_SUBJECT="*.b")
    assert "the stream keeps a part of NATS_SUBJECT only" in bridge.log
    publish(server.url, [structured("1")], "a.b")
    sqs.wait_for(1)


def test_a_filter_that_is_changed_behind_the_bridge_is_named(server: NatsServer, start_bridge: StartBridge) -> None:
    bridge = start_bridge(**DURABLE)

    async def change(js: JetStreamContext) -> None:
        config = (await js.consumer_info("events", "task-service")).config
        await js.add_consumer("events", config.evolve(filter_subject="elsewhere"))

    async def widen(js: JetStreamContext) -> None:
        await js.update_stream((await js.stream_info("events")).config.evolve(subjects=["external", "elsewhere"]))
        await change(js)

    jetstream(server, widen)
    wait_until(lambda: "NothingArrivesError" in fault_of(bridge))
    assert "NATS_SUBJECT is 'external', the consumer 'task-service' delivers 'elsewhere'" in fault_of(bridge)


def test_a_consumer_that_is_paused_is_named_and_one_that_goes_on_is_well(
    server: NatsServer, sqs: SqsServer, start_bridge: StartBridge
) -> None:
    bridge = start_bridge(**DURABLE)
    jetstream(server, lambda js: js._jsm.pause_consumer("events", "task-service", "2999-01-01T00:00:00Z"))
    wait_until(lambda: "the consumer 'task-service' is paused" in fault_of(bridge))
    jetstream(server, lambda js: js._jsm.resume_consumer("events", "task-service"))
    wait_until(bridge.is_well)
    publish(server.url, [structured("1")])
    sqs.wait_for(1)


def test_a_consumer_that_is_made_anew_elsewhere_is_followed(
    server: NatsServer, sqs: SqsServer, start_bridge: StartBridge
) -> None:
    bridge = start_bridge(**DURABLE)

    async def make_anew(js: JetStreamContext) -> None:
        await js.delete_consumer("events", "task-service")
        await js.add_consumer("events", consumer(filter_subject="external"))

    jetstream(server, make_anew)
    wait_until(lambda: bridge.metric("bridge_nats_connects_total") == 2)
    wait_until(bridge.is_well)
    publish(server.url, [structured("1")])
    sqs.wait_for(1)


@pytest.mark.parametrize(
    "changes",
    [
        {"deliver_subject": None, "deliver_group": None},
        {"deliver_group": None},
        {"ack_policy": AckPolicy.NONE},
        {"ack_policy": AckPolicy.ALL},
        {"headers_only": True},
        {"flow_control": True, "idle_heartbeat": 5},
    ],
    ids=str,
)
def test_a_consumer_that_cannot_serve_is_a_fault(
    server: NatsServer, start_bridge: StartBridge, changes: dict[str, Any]
) -> None:
    async def make(js: JetStreamContext) -> None:
        await js.add_stream(StreamConfig(name="events", subjects=["external"]))
        await js.add_consumer("events", consumer(**changes))

    jetstream(server, make)
    bridge = start_bridge(**DURABLE, well=False)
    wait_until(lambda: fault_of(bridge) == "WrongConsumerError")
    assert json.loads(bridge.log.splitlines()[-1])["level"] == "WARNING"


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("a", "a", True),
        ("a", "b", False),
        ("a", "a.b", False),
        ("a.>", "a", False),
        ("a.>", "a.b.c", True),
        (">", "a", True),
        ("a.*", "*.b", True),
        ("a.*.c", "a.b", False),
        ("a.*.c", "a.b.d", False),
        ("a.b.>", "a.*", False),
        ("a.>", "b.>", False),
        ("*", ">", True),
    ],
)
def test_subjects_meet_where_a_message_can_have_both(one: str, other: str, expected: bool) -> None:
    assert meet(one, other) is meet(other, one) is expected


@pytest.mark.parametrize(
    ("wide", "narrow", "expected"),
    [
        ("a", "a", True),
        ("a.*", "a.b", True),
        ("a.>", "a.*", True),
        ("a.>", "a.b.>", True),
        ("*.*", "a.*", True),
        ("a.b", "a.*", False),
        ("a.*", "a.>", False),
        ("a.>", "a", False),
        ("a.*", "a.b.c", False),
        ("a.b.c", "a.b", False),
        ("a.*", "*.b", False),
    ],
)
def test_a_subject_covers_another_where_all_of_its_messages_are_its_own(wide: str, narrow: str, expected: bool) -> None:
    assert covers(wide, narrow) is expected
