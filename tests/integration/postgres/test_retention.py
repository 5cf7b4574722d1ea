"""Retention removes what has ended, some at a time, and nothing else."""

from datetime import timedelta

import pytest

from task_service.adapters.postgres import retention as module
from task_service.domain.idempotency import KeyUse
from task_service.domain.messages import TaskMessage
from task_service.domain.task import Body
from task_service.wiring.postgres import PostgresPlatform
from tests.support.builders import task, task_list
from tests.support.postgres import send_event

DAY = timedelta(days=1)
TABLES = ("tasks", "lists", "groups", "idempotency_keys", "bodies")


def counts(platform: PostgresPlatform) -> dict[str, int]:
    return {
        table: platform.database.rows(f"SELECT count(*) AS number FROM task_service.{table}")[0]["number"]
        for table in TABLES
    }


def test_what_is_past_its_end_goes_and_the_rest_stays(platform: PostgresPlatform) -> None:
    now = platform.clock()
    for name, expires_at in (("past", now - timedelta(seconds=1)), ("kept", now + DAY)):
        platform.tasks.add(task(name, expires_at=expires_at))
        a_list = task_list(name, expires_at=expires_at)
        platform.lists.add(a_list)
        platform.lists.start_group(a_list, 0, parallel=3, failed_before=False)
        platform.keys.put(KeyUse(key_hash=name, id="t", fingerprint="f", expires_at=expires_at), now=now - DAY)
        platform.bodies.store(name, "1" * 40_000)
    platform.database.rows(
        "UPDATE task_service.bodies SET stored_at = stored_at - interval '31 days 1 second' WHERE key = 'past'"
    )
    assert platform.retention(30 * DAY).remove_some() == 5
    assert counts(platform) == dict.fromkeys(TABLES, 1)
    assert platform.tasks.get("kept") is not None
    assert platform.lists.records("kept") is not None
    assert platform.retention(30 * DAY).remove_some() == 0


def test_bodies_of_what_starts_later_are_kept_as_much_longer(platform: PostgresPlatform) -> None:
    for key in ("later/kept", "later/past", "requests/past", "laterish"):
        platform.bodies.store(key, "1" * 40_000)
    aged = "UPDATE task_service.bodies SET stored_at = stored_at - %(age)s WHERE key = ANY (%(keys)s)"
    platform.database.rows(aged, {"age": 31 * DAY, "keys": ["later/kept", "requests/past", "laterish"]})
    platform.database.rows(aged, {"age": 61 * DAY, "keys": ["later/past"]})
    assert platform.retention(30 * DAY).remove_some() == 3
    assert platform.bodies.load(Body(blob="later/kept"))


def test_it_goes_in_small_steps_until_nothing_is_left(
    platform: PostgresPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST", 4)
    past = platform.clock() - DAY
    for number in range(10):
        platform.tasks.add(task(str(number), expires_at=past))
    retention = platform.retention(30 * DAY)
    assert [retention.remove_some() for _ in range(4)] == [4, 4, 2, 0]


def test_what_could_not_be_read_goes_after_a_fortnight(platform: PostgresPlatform) -> None:
    for text in ("old", "new"):
        platform.unreadable.keep(text, message_id="1", reason="why")
    platform.database.rows("""
        UPDATE pgmq.q_task_service_unreadable SET enqueued_at = enqueued_at - interval '15 days'
        WHERE message #>> '{}' = 'old'
    """)
    assert platform.retention(30 * DAY).remove_some() == 1
    assert platform.unreadable_reader.depth().waiting == 1


def test_dead_events_go_after_a_fortnight(platform: PostgresPlatform) -> None:
    for body in ("old", "new"):
        send_event(platform.database, body)
    received = platform.event_reader.receive(most=10, visibility=DAY)
    platform.event_reader.move_to_dead_letters(message.receipt for message in received)
    platform.database.rows("""
        UPDATE pgmq.q_task_service_dead_events SET enqueued_at = enqueued_at - interval '15 days'
        WHERE message #>> '{}' = 'old'
    """)
    assert platform.retention(30 * DAY).remove_some() == 1
    [left] = platform.dead_event_reader.receive(most=10, visibility=DAY)
    assert left.body == "new"


def test_a_message_of_the_task_queue_is_never_too_old(platform: PostgresPlatform) -> None:
    platform.queue.send(TaskMessage(task_id="t", attempt=1))
    platform.database.rows("UPDATE pgmq.q_task_service_tasks SET enqueued_at = enqueued_at - interval '1000 days'")
    assert platform.retention(30 * DAY).remove_some() == 0


def test_removing_waits_for_no_executor(platform: PostgresPlatform) -> None:
    past = platform.clock() - DAY
    for name in ("held", "free"):
        platform.tasks.add(task(name, expires_at=past))
    with platform.database.connect() as executor:
        executor.execute("BEGIN; SELECT 1 FROM task_service.tasks WHERE id = 'held' FOR UPDATE")
        assert platform.retention(30 * DAY).remove_some() == 1
        executor.execute("COMMIT")
    assert platform.retention(30 * DAY).remove_some() == 1
