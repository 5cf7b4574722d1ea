"""What every queue does."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from task_service.adapters.aws.sqs import LONGEST_UNREADABLE, SqsTaskQueue, SqsUnreadableMessages
from task_service.adapters.aws.wire import Client
from task_service.domain.errors import Unavailable
from task_service.domain.messages import GroupStart, ListCancel, Received, TaskMessage
from task_service.wiring.postgres import PostgresPlatform
from task_service.wiring.services import utc_now
from tests.contract.conftest import AWS, QUEUES, QueueInUse
from tests.support.builders import NOW


@QUEUES
@pytest.mark.parametrize(
    "message",
    [
        TaskMessage(task_id="t", attempt=1),
        TaskMessage(task_id="t", attempt=7, not_before=NOW + timedelta(milliseconds=1_234)),
        TaskMessage(task_id="t", attempt=1, queue_group="tenant-1/!\"#$%&'()*+,./:;<=>?@[]^_`{|}~"),
    ],
)
def test_a_message_arrives_as_it_was_sent(in_use: QueueInUse, message: TaskMessage) -> None:
    in_use.queue.send(message)
    [received] = in_use.receive()
    assert received.message == message
    assert received.message.queue_group == message.queue_group


@QUEUES
@pytest.mark.parametrize(
    "message",
    [
        GroupStart(list_id="l"),
        GroupStart(list_id="l", group=3, failed_before=True, replay=2),
        GroupStart(list_id="l", queue_group="x" * 128),
        GroupStart(list_id="l", not_before=NOW + timedelta(milliseconds=1_234)),
        ListCancel(list_id="l"),
        ListCancel(list_id="l", replay=2),
    ],
)
def test_a_lists_message_arrives_as_it_was_sent(in_use: QueueInUse, message: GroupStart | ListCancel) -> None:
    in_use.queue.send(message)
    assert [received.message for received in in_use.receive()] == [message]


@QUEUES
def test_many_messages_all_arrive(in_use: QueueInUse) -> None:
    messages = [TaskMessage(task_id=f"l.0.{number}", attempt=1) for number in range(25)]
    in_use.queue.send_all(messages)
    arrived = [received.message for received in receive_all(in_use, 25)]
    assert sorted(map(str, arrived)) == sorted(map(str, messages))


@QUEUES
def test_of_many_messages_each_comes_at_its_own_time(in_use: QueueInUse) -> None:
    later = utc_now() + timedelta(minutes=20)
    messages = [
        TaskMessage(task_id=f"t{number}", attempt=1, not_before=None if number % 2 else later, queue_group=f"g{number}")
        for number in range(24)
    ]
    assert list(in_use.queue.send_each(messages)) == []
    arrived = {received.message for received in receive_all(in_use, 12)}
    assert arrived == set(messages[1::2])
    assert in_use.receive() == []
    assert list(in_use.queue.send_each([])) == []


@QUEUES
def test_a_delayed_message_is_not_there_yet(in_use: QueueInUse) -> None:
    in_use.queue.send(TaskMessage(task_id="t", attempt=1), due_at=utc_now() + timedelta(minutes=20))
    assert in_use.receive() == []


@QUEUES
def test_a_postponed_message_comes_back_when_it_is_due(in_use: QueueInUse) -> None:
    in_use.queue.send(TaskMessage(task_id="t", attempt=1))
    [received] = in_use.receive()
    in_use.queue.postpone(received.receipt, until=utc_now())
    assert len(in_use.receive()) == 1


@QUEUES
def test_messages_that_are_given_back_are_new_and_keep_their_crashes(in_use: QueueInUse) -> None:
    in_use.queue.send_all([TaskMessage(task_id=f"l.0.{number}", attempt=1) for number in range(3)])
    received = [replace(one, message=replace(one.message, crashes=2)) for one in receive_all(in_use, 3)]
    in_use.queue.give_back(received)
    again = receive_all(in_use, 3)
    assert {one.receives for one in again} == {1}
    assert {one.message for one in again} == {one.message for one in received}
    # The received ones are gone: what was hidden does not come back.
    for one in again:
        in_use.delete(one)
    assert in_use.depth() == 0


@QUEUES
def test_the_queue_answers(in_use: QueueInUse) -> None:
    in_use.queue.ping()


@QUEUES
def test_a_queue_that_is_gone_is_unavailable(in_use: QueueInUse) -> None:
    with pytest.raises(Unavailable, match=r"^(sqs|postgresql): "):
        in_use.gone.ping()
    with pytest.raises(Unavailable):
        in_use.gone.send(TaskMessage(task_id="t", attempt=1))
    with pytest.raises(Unavailable):
        in_use.gone.send_all([TaskMessage(task_id="t", attempt=1)])


# -- SQS


@AWS
def test_messages_that_the_queue_does_not_take_back_are_still_there(in_use: QueueInUse, queue: SqsTaskQueue) -> None:
    in_use.queue.send(TaskMessage(task_id="t", attempt=1))
    [received] = in_use.receive()
    refusing = SqsTaskQueue(client=_Refusing(queue.client), url=queue.url, clock=utc_now)
    with pytest.raises(Unavailable, match="sqs: InternalError"):
        refusing.give_back([received])
    in_use.queue.postpone(received.receipt, until=utc_now())
    assert len(receive_all(in_use, 2)) == 2, "it is there twice"


class _Refusing:
    """A client whose deletions are refused one by one, in an answer that is a success as a whole."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def call(self, operation: str, /, **parameters: Any) -> dict[str, Any]:
        if operation != "DeleteMessageBatch":
            return self._client.call(operation, **parameters)
        entries = parameters["Entries"]
        return {"Failed": [{"Id": entry["Id"], "Code": "InternalError", "SenderFault": False} for entry in entries]}


@AWS
@pytest.mark.parametrize("text", ["hello", "x" * 250_000])
def test_an_unreadable_text_is_kept_with_its_message_and_the_reason(queue: SqsTaskQueue, text: str) -> None:
    unreadable = SqsUnreadableMessages(client=queue.client, url=queue.url)
    unreadable.keep(text, message_id="m-1", reason="not a message of this service: Expecting value")
    names = {"AttributeNames": ["All"], "MessageAttributeNames": ["All"]}
    answer = queue.client.call("ReceiveMessage", QueueUrl=queue.url, **names)
    [kept] = answer["Messages"]
    assert kept["Body"] == text[:LONGEST_UNREADABLE]
    attributes = {name: value["StringValue"] for name, value in kept["MessageAttributes"].items()}
    assert attributes == {"messageId": "m-1", "reason": "not a message of this service: Expecting value"}


# -- PGMQ


@pytest.mark.parametrize("text", ["hello", "x" * 250_000, "odd \0"])
def test_a_text_that_could_not_be_read_is_kept_whole(postgres: PostgresPlatform, text: str) -> None:
    postgres.unreadable.keep(text, message_id="m-1", reason="not a message of this service: Expecting value")
    [row] = postgres.database.rows(
        "DELETE FROM pgmq.q_task_service_unreadable RETURNING message #>> '{}' AS body, headers"
    )
    assert row["body"] == text.replace("\0", "\N{REPLACEMENT CHARACTER}")
    assert row["headers"] == {"messageId": "m-1", "reason": "not a message of this service: Expecting value"}


def receive_all(in_use: QueueInUse, count: int) -> list[Received]:
    received: list[Received] = []
    while len(received) < count:
        batch = in_use.receive()
        assert batch, "not all have arrived"
        received += batch
    return received
