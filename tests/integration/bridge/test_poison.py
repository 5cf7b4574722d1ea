"""Messages that a publisher has malformed: each is counted and dropped, and the events behind it arrive."""

import pytest

from tests.integration.bridge.conftest import BOTH, DURABLE, StartBridge
from tests.support.events import structured
from tests.support.nats import NatsServer, event_ids, headed, publish, publish_raw
from tests.support.poison import BLOCKS, CHANGED, always_well
from tests.support.sqs_server import SqsServer
from tests.support.waiting import wait_until


@pytest.mark.parametrize("block", BLOCKS)
def test_a_malformed_message_holds_up_nothing(
    server: NatsServer, sqs: SqsServer, start_bridge: StartBridge, block: str
) -> None:
    bridge = start_bridge()
    with always_well(bridge):
        publish(server.url, [structured("before")])
        publish_raw(server.url, headed(BLOCKS[block], b"poison"))
        publish(server.url, [structured(str(number)) for number in range(20)])
        sqs.wait_for(21)
    assert set(event_ids(sqs.taken)) == {"before", *map(str, range(20))}
    assert bridge.metric("bridge_events_received_total") == 22
    assert bridge.metric("bridge_events_dropped_total", reason="malformed") == 1
    assert bridge.metric("bridge_nats_connects_total") == 1
    assert '"reason": "malformed"' in bridge.log
    assert "poison" not in bridge.log


ODD = {
    "a header block of length 0": (b"external", b"HPUB %s 0 %d\r\n%s\r\n"),
    "a reply with white space that is none to the server": (b"external", b"PUB %s a\x0b\x0cb %d\r\n%s\r\n"),
    "a reply that is not UTF-8": (b"external", b"PUB %s \xff %d\r\n%s\r\n"),
    "a reply that is a word of the protocol": (b"external", b"PUB %s +OK %d\r\n%s\r\n"),
    "a long reply": (b"external", b"PUB %s " + b"a" * 4_000 + b" %d\r\n%s\r\n"),
    "a status": (b"external", b"HPUB %s 16 %d\r\nNATS/1.0 404\r\n\r\n%s\r\n"),
    "a status with words": (b"external", b"HPUB %s 28 %d\r\nNATS/1.0 404 No Messages\r\n\r\n%s\r\n"),
    "a heartbeat": (b"external", b"HPUB %s 31 %d\r\nNATS/1.0 100 Idle Heartbeat\r\n\r\n%s\r\n"),
    "an empty header": (b"external", b"HPUB %s 16 %d\r\nNATS/1.0\r\na:\r\n\r\n%s\r\n"),
    "no headers": (b"external", b"HPUB %s 12 %d\r\nNATS/1.0\r\n\r\n%s\r\n"),
    "a subject that is not UTF-8": (b"external.\xff", b"PUB %s %d\r\n%s\r\n"),
    "a subject with white space that is none to the server": (b"external.a\x0bb", b"PUB %s %d\r\n%s\r\n"),
    "a subject with a zero byte": (b"external.\x00", b"PUB %s %d\r\n%s\r\n"),
    "a long subject": (b"external." + b"a" * 4_000, b"PUB %s %d\r\n%s\r\n"),
}
"""Messages that the server passes on, whose events are well: subject, and the bytes in the place of an event."""


@BOTH
@pytest.mark.parametrize("form", ODD)
def test_an_event_in_an_odd_message_arrives(
    server: NatsServer, sqs: SqsServer, start_bridge: StartBridge, mode: dict[str, str], form: str
) -> None:
    subject, message = ODD[form]
    own = {"NATS_SUBJECT": "external.>"} if b"." in subject else {}
    bridge = start_bridge(**mode, **own)
    _, event = structured("odd")
    block = message.partition(b"\r\n")[2].partition(b"%s")[0]
    with always_well(bridge):
        publish_raw(server.url, message % (subject, len(block) + len(event), event))
        publish(server.url, [structured("behind")], "external.x" if own else "external")
        sqs.wait_for(2)
    assert set(event_ids(sqs.taken)) == {"odd", "behind"}
    assert bridge.metric("bridge_events_dropped_total", reason="malformed") == 0


def test_poison_among_many_events_is_not_delivered_again(
    server: NatsServer, sqs: SqsServer, start_bridge: StartBridge
) -> None:
    bridge = start_bridge(**DURABLE)
    events = [b"PUB external %d\r\n%s\r\n" % (len(event), event) for _, event in map(structured, map(str, range(300)))]
    poison = [headed(block, b"poison") for name, block in BLOCKS.items() if name not in CHANGED]

    publish_raw(server.url, *events[:150], *poison, *events[150:])

    with always_well(bridge):
        sqs.wait_for(300)
    assert sorted(event_ids(sqs.taken)) == sorted(map(str, range(300)))
    wait_until(lambda: bridge.metric("bridge_events_dropped_total", reason="malformed") == len(poison))
    wait_until(lambda: bridge.metric("bridge_events_buffered") == 0)
    # It is not there when the next bridge asks.
    assert bridge.stop() == 0
    again = start_bridge(**DURABLE)
    publish(server.url, [structured("next")])
    sqs.wait_for(301)
    assert again.metric("bridge_events_received_total") == 1


@BOTH
def test_a_server_that_answers_nothing_is_told_and_left(
    server: NatsServer, sqs: SqsServer, start_bridge: StartBridge, mode: dict[str, str]
) -> None:
    bridge = start_bridge(**mode)
    server.freeze()
    try:
        wait_until(lambda: not bridge.is_well())
        assert bridge.health()[1]["nats"]["delivers"] is False
    finally:
        server.thaw()
    wait_until(bridge.is_well)
    publish(server.url, [structured("1")])
    sqs.wait_for(1)
