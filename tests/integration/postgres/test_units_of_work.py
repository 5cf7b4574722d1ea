"""A creation is one transaction: its record and its message are durable together, or neither is there."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta, timezone
from typing import Any

import pytest

from task_service.domain.errors import Unavailable
from task_service.domain.messages import TaskMessage, message_of
from task_service.domain.start import Start
from task_service.domain.template import StoredTemplate
from task_service.testing import ScriptedOutside
from task_service.usecases.create_batch import Created, Item
from task_service.wiring.postgres import PostgresPlatform
from task_service.wiring.services import Services
from task_service.wiring.settings import Settings
from tests.support.builders import list_document, order, stored_template, task
from tests.support.postgres import Server

QUEUE = "pgmq.q_task_service_tasks"


class Halfway(Exception):
    """Something that ends a unit of work in its middle."""


@pytest.fixture
def services(platform: PostgresPlatform) -> Services:
    """The use cases on a database with a task template and a list template."""
    for template in (stored_template(), stored_template("t0")):
        platform.task_templates.put(template, if_match=None, if_new=False)
    many = StoredTemplate(name="many", document=list_document("parallel 1"), etag="1")
    platform.list_templates.put(many, if_match=None, if_new=False)
    return Services(settings=Settings({}), platform=platform, outside=ScriptedOutside())


def count(platform: PostgresPlatform, table: str) -> int:
    [row] = platform.database.rows(f"SELECT count(*) AS number FROM {table}")
    number: int = row["number"]
    return number


def test_a_created_task_has_its_record_and_its_message(services: Services, platform: PostgresPlatform) -> None:
    task_id = services.task_creator.create(order())
    assert platform.tasks.get(task_id) is not None
    [message] = platform.task_reader.receive(most=10, visibility=timedelta(seconds=30))
    assert task_id in message.body


@pytest.mark.parametrize("keyed", [False, True], ids=["without a key", "with a key"])
@pytest.mark.parametrize("table", ["tasks", "lists"])
def test_a_creation_is_one_transaction(services: Services, platform: PostgresPlatform, table: str, keyed: bool) -> None:
    creator: Any = services.task_creator if table == "tasks" else services.list_creator
    name = "greet" if table == "tasks" else "many"
    if keyed:
        services.keyed_creator.create(creator, "key", table, order(name))
    else:
        creator.create(order(name))
    [row] = platform.database.rows(f"SELECT xmin::text AS writer FROM task_service.{table}")
    [message] = platform.database.rows(f"SELECT xmin::text AS writer FROM {QUEUE}")
    assert row["writer"] == message["writer"]
    if keyed:
        [key] = platform.database.rows("SELECT xmin::text AS writer FROM task_service.idempotency_keys")
        assert key["writer"] == row["writer"]


@pytest.mark.parametrize("keyed", [False, True], ids=["without a key", "with a key"])
def test_a_creation_whose_message_cannot_be_sent_leaves_nothing(
    services: Services, platform: PostgresPlatform, keyed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    platform.database.rows(f"ALTER TABLE {QUEUE} RENAME TO elsewhere")
    with pytest.raises(Unavailable, match="postgresql: UndefinedTable"):
        if keyed:
            services.keyed_creator.create(services.task_creator, "key", "tasks", order())
        else:
            services.task_creator.create(order())
    assert count(platform, "task_service.tasks") == 0
    assert count(platform, "task_service.idempotency_keys") == 0
    assert "record without message stays" not in caplog.text


ORDERS = [Item(order(payload=str(number)), f"k{number}" if number % 3 else None) for number in range(9)]


def test_a_batch_is_one_transaction(services: Services, platform: PostgresPlatform) -> None:
    results = services.batch_creator.create([*ORDERS, Item(order("nobody"))])
    assert [isinstance(result, Created) for result in results] == [True] * 9 + [False]
    assert count(platform, "task_service.tasks") == count(platform, QUEUE) == 9
    writers = platform.database.rows(f"""
        SELECT xmin::text FROM task_service.tasks UNION SELECT xmin::text FROM {QUEUE}
        UNION SELECT xmin::text FROM task_service.idempotency_keys
    """)
    assert len(writers) == 1


@pytest.mark.parametrize("missing", ["tasks", "idempotency_keys", "queue"])
def test_a_batch_that_cannot_be_written_whole_leaves_nothing(
    services: Services, platform: PostgresPlatform, missing: str
) -> None:
    table = QUEUE if missing == "queue" else f"task_service.{missing}"
    platform.database.rows(f"ALTER TABLE {table} RENAME TO elsewhere")
    results = services.batch_creator.create(ORDERS)
    assert [type(result) for result in results] == [Unavailable] * 9
    platform.database.rows(f"ALTER TABLE {table.rpartition('.')[0]}.elsewhere RENAME TO {table.rpartition('.')[2]}")
    assert count(platform, "task_service.tasks") == 0
    assert count(platform, "task_service.idempotency_keys") == 0
    assert count(platform, QUEUE) == 0
    assert all(isinstance(result, Created) for result in services.batch_creator.create(ORDERS))


def test_batches_with_the_same_keys_do_not_wait_for_each_other(services: Services, platform: PostgresPlatform) -> None:
    batches = [ORDERS, ORDERS[::-1]] * 4
    with ThreadPoolExecutor(len(batches)) as threads:
        results = list(threads.map(services.batch_creator.create, batches))
    assert all(isinstance(result, Created) for batch in results for result in batch)
    assert count(platform, "task_service.idempotency_keys") == 6


def test_a_unit_whose_failure_is_passed_over_fails_at_its_end(platform: PostgresPlatform) -> None:
    with pytest.raises(Unavailable, match="postgresql: UndefinedTable"), platform.unit_of_work():
        platform.tasks.add(task("t"))
        with suppress(Unavailable):
            platform.database.rows("SELECT 1 FROM nowhere")
    assert platform.tasks.get("t") is None


def test_a_unit_that_ends_in_its_middle_leaves_nothing(platform: PostgresPlatform) -> None:
    with pytest.raises(Halfway), platform.unit_of_work():
        platform.tasks.add(task("t"))
        platform.queue.send(TaskMessage(task_id="t", attempt=1))
        raise Halfway
    assert platform.tasks.get("t") is None
    assert count(platform, QUEUE) == 0
    # The connection is as good as new.
    assert platform.tasks.add(task("t")) is None


def test_a_unit_is_seen_by_others_only_when_it_has_ended(platform: PostgresPlatform) -> None:
    created = task("t")
    with platform.unit_of_work():
        platform.tasks.add(created)
        assert platform.tasks.get("t") == created
        outside = platform.database.connect()
        assert outside.execute("SELECT id FROM task_service.tasks").fetchall() == []
        outside.close()
    assert platform.tasks.get("t") == created


def test_a_unit_within_a_unit_is_a_part_of_it(platform: PostgresPlatform) -> None:
    with pytest.raises(Halfway), platform.unit_of_work():
        with platform.unit_of_work():
            platform.tasks.add(task("t"))
        raise Halfway
    assert platform.tasks.get("t") is None


def test_a_unit_in_which_nothing_happens_needs_no_connection(platform: PostgresPlatform) -> None:
    with platform.unit_of_work():
        pass
    assert platform.database.pool_stats().get("requests_num", 0) == 0


def test_a_unit_whose_connection_is_lost_before_its_end_leaves_nothing(
    platform: PostgresPlatform, postgres_server: Server
) -> None:
    created = task("t")
    lost = pytest.raises(Unavailable, match=r"postgresql: (AdminShutdown|the connection is lost)")
    with lost, platform.unit_of_work():
        platform.tasks.add(created)
        [row] = platform.database.rows("SELECT pg_backend_pid() AS pid")
        postgres_server.execute(f"SELECT pg_terminate_backend({row['pid']}, 5000)")
        platform.queue.send(message_of(created))
    assert platform.tasks.get("t") is None
    assert count(platform, QUEUE) == 0


def test_every_commit_waits_for_the_disk_whatever_the_default_is(
    platform: PostgresPlatform, postgres_server: Server
) -> None:
    [row] = platform.database.rows("SELECT current_database() AS name")
    postgres_server.execute(f"ALTER DATABASE {row['name']} SET synchronous_commit = off")
    platform.database.close()
    assert platform.database.rows("SHOW synchronous_commit") == [{"synchronous_commit": "on"}]
    with platform.unit_of_work():
        assert platform.database.rows("SHOW synchronous_commit") == [{"synchronous_commit": "on"}]


def test_a_statement_that_need_not_be_durable_is_so_in_a_unit(platform: PostgresPlatform) -> None:
    show = "SHOW synchronous_commit"
    assert platform.database.rows(show, durable=False) == [{"synchronous_commit": "off"}]
    with platform.unit_of_work():
        assert platform.database.rows(show, durable=False) == [{"synchronous_commit": "on"}]


@pytest.mark.parametrize("keyed", [False, True], ids=["without a key", "with a key"])
@pytest.mark.parametrize("hours", [-23, 23])
def test_a_start_of_any_offset_from_utc_is_kept(
    services: Services, platform: PostgresPlatform, hours: int, keyed: bool
) -> None:
    # RFC 3339 has offsets up to 23:59, PostgreSQL knows less than 16 hours.
    due = (platform.clock() + timedelta(hours=1)).astimezone(timezone(timedelta(hours=hours, minutes=59)))
    asked = order(start=Start(not_before=due))
    key_hash = "key" if keyed else None
    [result] = services.batch_creator.create([Item(asked, key_hash)])
    assert isinstance(result, Created)
    task_ids = [result.task_id, services.task_creator.create(asked)]
    for task_id in task_ids:
        record = platform.tasks.get(task_id)
        assert record is not None
        assert record.not_before is not None
        assert abs(record.not_before - due) <= timedelta(milliseconds=1)
    list_id = services.list_creator.create(replace(asked, name="many"))
    assert platform.lists.get(list_id) is not None


def test_a_unit_of_work_is_as_patient_as_the_database_that_opens_it(platform: PostgresPlatform) -> None:
    show = "SELECT current_setting('statement_timeout') AS statement, current_setting('lock_timeout') AS lock"
    with platform.unit_of_work():
        # As the clock does it, when it measures again.
        platform.database.impatient().rows("SELECT 1")
        assert platform.database.rows(show) == [{"statement": "5s", "lock": "3s"}]
