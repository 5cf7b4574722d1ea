"""The bridge with its events' queue in PostgreSQL: nothing is lost that could be kept."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from local.environment import PROJECT
from task_service.adapters.postgres.database import Database
from task_service.adapters.postgres.migrate import migrate
from tests.integration.bridge.conftest import BOTH, DURABLE
from tests.support.events import structured
from tests.support.nats import Bridge, NatsServer, event_ids, publish
from tests.support.postgres import Server
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def database() -> Iterator[Server]:
    """A server to kill."""
    server = Server()
    migrations = Database(conninfo=server.url())
    migrate(migrations)
    migrations.close()
    yield server
    server.stop()


@pytest.fixture
def queue(database: Server) -> Server:
    """The same with an empty queue."""
    database.execute("TRUNCATE pgmq.q_task_service_events")
    return database


def taken(queue: Server) -> list[str]:
    """The ids of the events in the queue."""
    rows = queue.execute("SELECT message #>> '{}' FROM pgmq.q_task_service_events ORDER BY msg_id")
    return event_ids([str(body) for (body,) in rows])


@BOTH
def test_each_event_is_in_the_queue_once(
    tmp_path: Path, server: NatsServer, queue: Server, mode: dict[str, str]
) -> None:
    settings = {"DATABASE_URL": queue.url(), "NATS_ADDR": server.url, **mode}
    with Bridge(tmp_path, settings) as first, Bridge(tmp_path, settings) as second:
        wait_until(lambda: first.is_well() and second.is_well())
        ids = [str(number) for number in range(200)]
        publish(server.url, [structured(event_id) for event_id in ids])
        wait_until(lambda: len(taken(queue)) >= len(ids))
        assert sorted(taken(queue)) == sorted(ids)
        assert first.metric("bridge_events_sent_total") + second.metric("bridge_events_sent_total") == len(ids)


def test_an_event_arrives_as_it_was_published(tmp_path: Path, server: NatsServer, queue: Server) -> None:
    payload = '{"text":"\\u0000 \U0001f680 \u2028 \\\\ \'"}'.encode()
    with Bridge(tmp_path, {"DATABASE_URL": queue.url(), "NATS_ADDR": server.url}) as bridge:
        wait_until(bridge.is_well)
        publish(server.url, [({"ce-id": "1"}, payload), ({"ce-id": "2"}, b"\xff\x00")])
        wait_until(lambda: bridge.metric("bridge_events_sent_total") == 2)
    rows = queue.execute("SELECT message #>> '{}' FROM pgmq.q_task_service_events ORDER BY msg_id")
    text, binary = [json.loads(str(body)) for (body,) in rows]
    assert text == {"headers": {"ce-id": "1"}, "data": payload.decode()}
    assert binary == {"headers": {"ce-id": "2"}, "dataBase64": "/wA="}


@BOTH
def test_a_database_that_is_killed_loses_nothing(
    tmp_path: Path, server: NatsServer, queue: Server, mode: dict[str, str]
) -> None:
    with Bridge(tmp_path, {"DATABASE_URL": queue.url(), "NATS_ADDR": server.url, **mode}) as bridge:
        wait_until(bridge.is_well)
        publish(server.url, [structured("before")])
        wait_until(lambda: bridge.metric("bridge_events_sent_total") == 1)
        queue.kill()
        ids = [str(number) for number in range(100)]
        publish(server.url, [structured(event_id) for event_id in ids])
        wait_until(lambda: bridge.health()[1]["queue"]["fault"] is not None)
        assert bridge.health()[0] == 503
        queue.start()
        wait_until(lambda: {"before", *ids} <= set(taken(queue)))
        wait_until(bridge.is_well)
        assert bridge.metric("bridge_events_dropped_total", reason="stopped") == 0


def test_of_two_servers_the_one_that_takes_writes_gets_the_events(
    tmp_path: Path, server: NatsServer, queue: Server
) -> None:
    standby = Server()
    try:
        standby.execute("ALTER DATABASE postgres SET default_transaction_read_only = on")
        one, two = conninfo_to_dict(standby.url()), conninfo_to_dict(queue.url())
        url = make_conninfo(queue.url(), host=f"{one['host']},{two['host']}")
        with Bridge(tmp_path, {"DATABASE_URL": url, "NATS_ADDR": server.url}) as bridge:
            wait_until(bridge.is_well)
            publish(server.url, [structured("1")])
            wait_until(lambda: taken(queue) == ["1"])
    finally:
        standby.stop()


def test_a_role_may_have_another_encoding_as_default(tmp_path: Path, server: NatsServer, queue: Server) -> None:
    queue.execute("CREATE ROLE latin LOGIN SUPERUSER")
    queue.execute("ALTER ROLE latin SET client_encoding = 'LATIN1'")
    settings = {"DATABASE_URL": make_conninfo(queue.url(), user="latin"), "NATS_ADDR": server.url}
    with Bridge(tmp_path, settings) as bridge:
        wait_until(bridge.is_well)
        publish(server.url, [structured("10 €")])
        wait_until(lambda: taken(queue) == ["10 €"])


def test_a_bridge_that_is_killed_loses_nothing_that_a_stream_keeps(
    tmp_path: Path, server: NatsServer, queue: Server
) -> None:
    ids = [str(number) for number in range(2_000)]
    with Bridge(tmp_path, {"DATABASE_URL": queue.url(), "NATS_ADDR": server.url, **DURABLE}) as bridge:
        wait_until(bridge.is_well)
        publish(server.url, [structured(event_id) for event_id in ids])
        wait_until(lambda: bool(taken(queue)))
        bridge.kill()
        bridge.start()
        wait_until(lambda: set(taken(queue)) == set(ids))


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"DATABASE_URL": "postgresql://user:s3cret@[bad/"}, "DATABASE_URL is not understood"),
        ({"DATABASE_URL": "postgresql://user:a@s3cret@127.0.0.1/a"}, "DATABASE_URL has no server that can be"),
        ({"DATABASE_URL": "postgresql://user:s3cret/a@127.0.0.1/a"}, "DATABASE_URL has no server that can be"),
        (
            {"DATABASE_URL": "postgresql:///", "EVENT_QUEUE_URL": "http://a/"},
            "EVENT_QUEUE_URL and DATABASE_URL are set",
        ),
        ({}, "EVENT_QUEUE_URL is not set"),
    ],
)
def test_a_wrong_setup_is_said_in_one_sentence(settings: dict[str, str], fault: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bridge"],
        cwd=PROJECT / "functions" / "bridge",
        env={"PATH": os.environ["PATH"], **settings},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {fault}")
    assert done.stderr.count("\n") == 1
    assert "s3cret" not in done.stderr
