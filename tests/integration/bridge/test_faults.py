"""The bridge when something is down, killed, slow, or talks rubbish: nothing is lost that could be kept."""

import threading
from pathlib import Path

import pytest

from tests.integration.bridge.conftest import BOTH, DURABLE, StartBridge
from tests.support.events import structured
from tests.support.nats import Bridge, NatsServer, event_ids, publish, publish_durably
from tests.support.sqs_server import Fault, SqsServer
from tests.support.waiting import wait_until


def ids(number: int) -> list[str]:
    return [str(event) for event in range(number)]


def events_of(names: list[str]) -> list[tuple[dict[str, str] | None, bytes]]:
    return [structured(name) for name in names]


@BOTH
def test_nats_may_come_later_go_and_come_again(
    tmp_path: Path, sqs: SqsServer, start_bridge: StartBridge, mode: dict[str, str]
) -> None:
    server = NatsServer(tmp_path / "late")
    bridge = start_bridge(**mode, NATS_ADDR=server.url, well=False)
    wait_until(lambda: bridge.health()[1]["nats"]["fault"] == "ConnectionRefusedError")
    assert bridge.health()[0] == 503
    assert bridge.metric("bridge_nats_connected") == 0
    with server:
        wait_until(bridge.is_well)
        publish(server.url, events_of(["1"]))
        sqs.wait_for(1)

        server.kill()

        wait_until(lambda: bridge.health()[0] == 503)
        server.start()
        wait_until(bridge.is_well)
        publish(server.url, events_of(["2"]))
        sqs.wait_for(2)
        # The server may have been killed before it wrote down the acknowledgement of the first.
        wait_until(lambda: set(event_ids(sqs.taken)) == {"1", "2"})
        assert bridge.metric("bridge_nats_connects_total") == 2


def test_jetstream_keeps_what_is_published_while_no_bridge_runs(
    server: NatsServer, sqs: SqsServer, start_bridge: StartBridge
) -> None:
    assert start_bridge(**DURABLE).stop() == 0
    publish(server.url, events_of(ids(50)))
    start_bridge(**DURABLE)
    sqs.wait_for(50)
    assert sorted(event_ids(sqs.taken)) == sorted(ids(50))


def test_a_consumer_that_is_deleted_is_made_again(
    tmp_path: Path, server: NatsServer, sqs: SqsServer, start_bridge: StartBridge
) -> None:
    bridge = start_bridge(**DURABLE)
    # A server that has lost what it stored.
    server.kill()
    with NatsServer(tmp_path / "empty", port=server.port) as empty:
        wait_until(lambda: "consumer created" in bridge.log.split("consumer created", 1)[1])
        wait_until(bridge.is_well)
        publish(empty.url, events_of(["1"]))
        sqs.wait_for(1)


@BOTH
@pytest.mark.parametrize("fault", ["refuse", "hang up", "garbage", "some", "no answer for some", "answer lost"])
def test_sqs_down_for_a_while_loses_nothing(
    server: NatsServer, sqs: SqsServer, start_bridge: StartBridge, mode: dict[str, str], fault: Fault
) -> None:
    bridge = start_bridge(**mode)
    sqs.fault = fault
    publish(server.url, events_of(ids(100)))
    sqs.wait_for_requests(3)
    if fault in ("refuse", "hang up", "garbage"):
        wait_until(lambda: not bridge.is_well())
        assert bridge.health()[1]["nats"]["delivers"] is True
    assert bridge.metric("bridge_events_dropped_total", reason="buffer_full") == 0

    sqs.fault = None

    wait_until(lambda: set(event_ids(sqs.taken)) == set(ids(100)))
    if fault != "answer lost":
        # A lost answer cannot be told from a refusal; then an event is there twice, and makes one task.
        assert len(sqs.taken) == 100
    wait_until(bridge.is_well)
    wait_until(lambda: bridge.metric("bridge_events_buffered") == 0)


def test_beyond_its_bound_core_events_are_counted(
    server: NatsServer, sqs: SqsServer, start_bridge: StartBridge
) -> None:
    bridge = start_bridge(BRIDGE_BUFFER_EVENTS="50")
    sqs.fault = "refuse"
    publish(server.url, events_of(ids(80)))
    wait_until(lambda: bridge.metric("bridge_events_received_total") == 80)
    assert bridge.metric("bridge_events_dropped_total", reason="buffer_full") == 30
    sqs.fault = None
    sqs.wait_for(50)
    assert len(set(event_ids(sqs.taken))) == len(sqs.taken) == 50


def test_a_bridge_killed_between_receive_and_acknowledge_loses_nothing(
    tmp_path: Path, server: NatsServer, sqs: SqsServer, start_bridge: StartBridge
) -> None:
    bridge = start_bridge(**DURABLE)
    # SQS has the events, and the bridge does not know it.
    sqs.fault = "answer lost"
    publish(server.url, events_of(ids(40)))
    sqs.wait_for(10)
    bridge.kill()
    sqs.fault = None

    start_bridge(**DURABLE)

    wait_until(lambda: set(event_ids(sqs.taken)) == set(ids(40)))


def test_nats_killed_and_started_under_load_loses_nothing(
    server: NatsServer, sqs: SqsServer, start_bridge: StartBridge
) -> None:
    start_bridge(**DURABLE)
    start_bridge(**DURABLE)

    publish_durably(server.url, events_of(ids(3_000)), at={500: server.restart, 2_000: server.restart})

    wait_until(lambda: len(set(event_ids(sqs.taken))) == 3_000)


def test_bridges_killed_under_load_lose_nothing(server: NatsServer, sqs: SqsServer, start_bridge: StartBridge) -> None:
    bridges = [start_bridge(**DURABLE), start_bridge(**DURABLE)]
    lock = threading.Lock()

    def restart(bridge: Bridge) -> None:
        with lock:
            bridge.restart()

    publish_durably(
        server.url,
        events_of(ids(3_000)),
        at={500: lambda: restart(bridges[0]), 1_500: lambda: restart(bridges[1]), 2_500: lambda: restart(bridges[0])},
    )

    wait_until(lambda: len(set(event_ids(sqs.taken))) == 3_000)
