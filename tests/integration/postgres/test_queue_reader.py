"""The reader of a queue: SQS's meaning, on PGMQ."""

import threading
import time
from collections.abc import Sequence
from datetime import timedelta

import pytest

from task_service.adapters.postgres.queue import table_of
from task_service.adapters.postgres.queue_reader import LOOK_AGAIN, Delivery, QueueReader
from task_service.domain.messages import TaskMessage
from task_service.wiring.postgres import PostgresPlatform
from tests.integration.postgres.conftest import Host
from tests.support.postgres import send_event

NO_TIME = timedelta()
LONG = timedelta(minutes=1)


def send(platform: PostgresPlatform, *names: str) -> None:
    platform.queue.send_all([TaskMessage(task_id=name, attempt=1) for name in names])


def receive(reader: QueueReader, *, most: int = 10, visibility: timedelta = LONG) -> list[Delivery]:
    return reader.receive(most=most, visibility=visibility)


def bodies(received: Sequence[Delivery]) -> list[str]:
    return [message.body for message in received]


def test_a_received_message_is_hidden_until_its_visibility_ends(platform: PostgresPlatform) -> None:
    send(platform, "t")
    [first] = receive(platform.task_reader, visibility=timedelta(seconds=1))
    assert receive(platform.task_reader) == []
    [again] = platform.task_reader.receive(most=10, visibility=LONG, wait=timedelta(seconds=5))
    assert (again.message_id, again.body) == (first.message_id, first.body)
    assert (first.receives, again.receives) == (1, 2)
    assert again.sent_at == first.sent_at


def test_a_batch_has_the_oldest_messages_and_no_more_than_asked_for(platform: PostgresPlatform) -> None:
    send(platform, *"abcde")
    batches = [receive(platform.task_reader, most=2) for _ in range(4)]
    assert [len(batch) for batch in batches] == [2, 2, 1, 0]
    names = [body[8] for batch in batches for body in bodies(batch)]
    assert names == list("abcde")


def test_deleted_messages_do_not_come_again(platform: PostgresPlatform) -> None:
    send(platform, "a", "b")
    received = receive(platform.task_reader, visibility=NO_TIME)
    assert platform.task_reader.delete(message.receipt for message in received) == 2
    assert platform.task_reader.delete(message.receipt for message in received) == 0
    assert platform.task_reader.delete([]) == 0
    assert receive(platform.task_reader) == []


def test_a_receipt_is_void_once_the_message_was_received_again(platform: PostgresPlatform) -> None:
    send(platform, "t")
    [slow] = receive(platform.task_reader, visibility=NO_TIME)
    [quick] = receive(platform.task_reader)
    assert platform.task_reader.delete([slow.receipt]) == 0
    platform.task_reader.hide([slow.receipt], until=platform.clock())
    platform.queue.postpone(slow.receipt, until=platform.clock())
    platform.task_reader.give_back([slow.receipt])
    assert receive(platform.task_reader) == []
    assert platform.task_reader.delete([quick.receipt]) == 1


def test_a_message_that_was_given_back_comes_at_once_as_if_it_had_not_been_received(platform: PostgresPlatform) -> None:
    send(platform, "t")
    for _ in range(20):
        [received] = receive(platform.task_reader)
        assert received.receives == 1
        platform.task_reader.give_back([received.receipt])


def test_after_five_receives_a_message_is_a_dead_letter(platform: PostgresPlatform) -> None:
    send(platform, "t", "well")
    for receives in range(1, 6):
        received = receive(platform.task_reader, visibility=NO_TIME)
        assert [message.receives for message in received] == [receives, receives]
    platform.task_reader.delete([received[1].receipt])
    assert receive(platform.task_reader) == []
    assert platform.task_reader.depth().waiting == 0
    [dead] = receive(platform.dead_letter_reader)
    assert (dead.body, dead.receives) == (received[0].body, 1)


def test_a_dead_letter_is_received_for_ever(platform: PostgresPlatform) -> None:
    send(platform, "t")
    [received] = receive(platform.task_reader)
    platform.task_reader.move_to_dead_letters([received.receipt])
    for receives in range(1, 12):
        [dead] = receive(platform.dead_letter_reader, visibility=NO_TIME)
        assert dead.receives == receives


def test_a_message_of_a_void_receipt_is_not_moved(platform: PostgresPlatform) -> None:
    send(platform, "t")
    [slow] = receive(platform.task_reader, visibility=NO_TIME)
    receive(platform.task_reader)
    platform.task_reader.move_to_dead_letters([slow.receipt])
    assert receive(platform.dead_letter_reader) == []


def test_an_event_arrives_byte_for_byte(platform: PostgresPlatform) -> None:
    for body in ('{"a":1,  "a":2, "n":1e999, "z":"\\u0000\\ud800"}', "no JSON at all: ü\n"):
        send_event(platform.database, body)
        [event] = receive(platform.event_reader)
        assert event.body == body
        platform.event_reader.delete([event.receipt])


@pytest.mark.parametrize("value", ["null", None, "5", "{}", '"text"'])
@pytest.mark.parametrize("queue", ["task_reader", "event_reader", "dead_letter_reader"])
def test_what_another_program_has_put_into_a_queue_is_a_text(
    platform: PostgresPlatform, queue: str, value: str | None
) -> None:
    reader: QueueReader = getattr(platform, queue)
    platform.database.rows(
        f"INSERT INTO {table_of(reader.queue)} (vt, message) VALUES (clock_timestamp(), %(value)s::jsonb)",
        {"value": value},
    )
    assert bodies(receive(reader)) == ["null" if value is None else value.strip('"')]


def test_a_delay_may_be_longer_than_a_quarter_of_an_hour(platform: PostgresPlatform) -> None:
    due = platform.clock() + timedelta(days=40)
    platform.queue.send(TaskMessage(task_id="t", attempt=1), due_at=due)
    [row] = platform.database.rows("SELECT vt FROM pgmq.q_task_service_tasks")
    assert row["vt"] == due
    assert receive(platform.task_reader) == []


def test_the_depth_tells_what_waits_and_for_how_long(platform: PostgresPlatform) -> None:
    assert (platform.task_reader.depth().waiting, platform.task_reader.depth().oldest) == (0, NO_TIME)
    send(platform, "a", "b")
    platform.queue.send(TaskMessage(task_id="later", attempt=1), due_at=platform.clock() + LONG)
    platform.database.rows("UPDATE pgmq.q_task_service_tasks SET vt = vt - interval '1 hour' WHERE msg_id = 1")
    receive(platform.task_reader, most=1, visibility=NO_TIME)
    platform.database.rows("UPDATE pgmq.q_task_service_tasks SET vt = vt - interval '1 hour' WHERE msg_id = 1")
    depth = platform.task_reader.depth()
    assert (depth.waiting, depth.hidden) == (2, 1)
    assert timedelta(hours=1) <= depth.oldest < timedelta(hours=1, minutes=1)


# -- waiting


class Waiting:
    """A reader that waits for a message in a thread."""

    def __init__(self, platform: PostgresPlatform, *, seconds: float = 20) -> None:
        self.received: list[Delivery] = []
        self.took = 0.0
        self._platform = platform
        self._seconds = seconds
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        started = time.monotonic()
        self.received = self._platform.task_reader.receive(
            most=10, visibility=LONG, wait=timedelta(seconds=self._seconds)
        )
        self.took = time.monotonic() - started

    def join(self) -> None:
        self._thread.join()


def listens(platform: PostgresPlatform) -> None:
    """Return once the reader's thread listens."""
    while not platform.database.rows(
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"
    ):
        time.sleep(0.01)


def test_a_reader_that_waits_is_woken_by_another_host(host: Host) -> None:
    reading, sending = host(), host()
    waiting = Waiting(reading)
    listens(reading)
    for _ in range(3):
        sent = time.monotonic()
        send(sending, "t")
        waiting.join()
        # The reader looks by itself only every second.
        assert time.monotonic() - sent < 0.5
        assert len(waiting.received) == 1
        waiting = Waiting(reading)
    send(sending, "last")
    waiting.join()


def test_a_message_in_a_unit_of_work_wakes_when_it_is_durable(host: Host) -> None:
    reading, sending = host(), host()
    waiting = Waiting(reading)
    listens(reading)
    with sending.unit_of_work():
        send(sending, "t")
        assert reading.task_reader.receive(most=1, visibility=LONG, wait=timedelta(milliseconds=100)) == []
        committed = time.monotonic()
    waiting.join()
    assert time.monotonic() - committed < 0.5
    assert len(waiting.received) == 1


def test_a_reader_that_waits_receives_a_message_when_it_is_due(platform: PostgresPlatform) -> None:
    waiting = Waiting(platform)
    listens(platform)
    due = platform.clock() + timedelta(milliseconds=1_300)
    platform.queue.send(TaskMessage(task_id="t", attempt=1), due_at=due)
    waiting.join()
    assert timedelta() <= platform.clock() - due < timedelta(milliseconds=500)
    assert len(waiting.received) == 1


def test_a_reader_that_took_all_there_was_does_not_look_again_at_once(
    platform: PostgresPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, waited = platform.task_reader, list[float]()

    def wait(channel: str, *, seen: int, seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(reader.listener, "wait", wait)
    send(platform, "a", "b", "c")
    # A look that is full says nothing of what is left.
    for most in (1, 1, 2):
        assert len(reader.receive(most=most, visibility=LONG, wait=timedelta(seconds=5))) == 1
        assert waited == []
    assert reader.receive(most=2, visibility=LONG, wait=timedelta(milliseconds=1)) == []
    assert waited[0] == 0.001
    send(platform, "d")
    assert len(reader.receive(most=2, visibility=LONG, wait=timedelta(seconds=5))) == 1
    waited.clear()
    send(platform, "e")
    assert len(reader.receive(most=2, visibility=LONG, wait=timedelta(seconds=5))) == 1
    assert waited == [LOOK_AGAIN]


def test_a_reader_waits_no_longer_than_it_is_told(platform: PostgresPlatform) -> None:
    waiting = Waiting(platform, seconds=0.3)
    waiting.join()
    assert waiting.received == []
    assert 0.3 <= waiting.took < 1


def test_a_reader_that_waits_returns_when_its_host_stops(platform: PostgresPlatform) -> None:
    waiting = Waiting(platform)
    listens(platform)
    platform.listener.stop()
    waiting.join()
    assert waiting.received == []
    assert waiting.took < 5


@pytest.mark.parametrize("cut", [False, True], ids=["cannot listen", "is cut off"])
def test_a_reader_that_is_not_woken_looks_by_itself(
    host: Host, cut: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    reading, sending = host(), host()
    # As behind PgBouncer: LISTEN seems to work, and no notification ever comes.
    if not cut:
        monkeypatch.setattr(reading.listener, "_listen", lambda connection: time.sleep(0.05))
    waiting = Waiting(reading)
    if cut:
        listens(reading)
        sending.database.rows("""
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND query LIKE 'LISTEN%'
        """)
    send(sending, "t")
    waiting.join()
    assert len(waiting.received) == 1
    assert waiting.took < 5
