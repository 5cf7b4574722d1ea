"""What the queue's adapter does."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from task_service.adapters.aws.sqs import LONGEST_UNREADABLE, SqsTaskQueue, SqsUnreadableMessages
from task_service.adapters.aws.wire import Client
from task_service.domain.errors import Unavailable
from task_service.domain.messages import GroupStart, ListCancel, Received, TaskMessage, from_text
from task_service.wiring.services import utc_now
from tests.contract.conftest import AWS, Aws
from tests.support.builders import NOW

pytestmark = AWS


@pytest.mark.parametrize(
    "message",
    [
        TaskMessage(task_id="t", attempt=1),
        TaskMessage(task_id="t", attempt=7, not_before=NOW + timedelta(milliseconds=1_234)),
    ],
)
def test_a_message_arrives_as_it_was_sent(queue: SqsTaskQueue, message: TaskMessage) -> None:
    queue.send(message)
    received = receive(queue)
    assert len(received) == 1
    assert from_text(received[0]["Body"]) == message


@pytest.mark.parametrize(
    "message",
    [
        GroupStart(list_id="l"),
        GroupStart(list_id="l", group=3, failed_before=True, replay=2),
        ListCancel(list_id="l"),
        ListCancel(list_id="l", replay=2),
    ],
)
def test_a_lists_message_arrives_as_it_was_sent(queue: SqsTaskQueue, message: GroupStart | ListCancel) -> None:
    queue.send(message)
    assert [from_text(received["Body"]) for received in receive(queue)] == [message]


def test_many_messages_all_arrive(queue: SqsTaskQueue) -> None:
    messages = [TaskMessage(task_id=f"l.0.{number}", attempt=1) for number in range(25)]
    queue.send_all(messages)
    arrived: list[object] = []
    while len(arrived) < 25:
        batch = receive(queue)
        assert batch, "not all have arrived"
        arrived += [from_text(received["Body"]) for received in batch]
    assert sorted(map(str, arrived)) == sorted(map(str, messages))


def test_a_delayed_message_is_not_there_yet(queue: SqsTaskQueue) -> None:
    queue.send(TaskMessage(task_id="t", attempt=1), due_at=utc_now() + timedelta(minutes=20))
    assert receive(queue) == []


def test_a_postponed_message_comes_back_when_it_is_due(queue: SqsTaskQueue) -> None:
    queue.send(TaskMessage(task_id="t", attempt=1))
    receipt = receive(queue)[0]["ReceiptHandle"]
    queue.postpone(receipt, until=utc_now())
    assert len(receive(queue)) == 1


def test_messages_that_are_given_back_are_new_and_keep_their_crashes(queue: SqsTaskQueue) -> None:
    queue.send_all([TaskMessage(task_id=f"l.0.{number}", attempt=1) for number in range(3)])
    received = [
        Received(message=replace(from_text(one["Body"]), crashes=2), id=one["MessageId"], receipt=one["ReceiptHandle"])
        for one in receive_all(queue, 3)
    ]
    queue.give_back(received)
    again = receive_all(queue, 3)
    assert {one["Attributes"]["ApproximateReceiveCount"] for one in again} == {"1"}
    assert {from_text(one["Body"]) for one in again} == {one.message for one in received}
    # The received ones are gone: what was hidden does not come back.
    for one in again:
        queue.client.call("DeleteMessage", QueueUrl=queue.url, ReceiptHandle=one["ReceiptHandle"])
    counts = queue.client.call("GetQueueAttributes", QueueUrl=queue.url, AttributeNames=["All"])["Attributes"]
    assert (counts["ApproximateNumberOfMessages"], counts["ApproximateNumberOfMessagesNotVisible"]) == ("0", "0")


def test_messages_that_the_queue_does_not_take_back_are_still_there(queue: SqsTaskQueue) -> None:
    queue.send(TaskMessage(task_id="t", attempt=1))
    [one] = receive(queue)
    received = Received(message=from_text(one["Body"]), id=one["MessageId"], receipt=one["ReceiptHandle"])
    refusing = SqsTaskQueue(client=_Refusing(queue.client), url=queue.url, clock=utc_now)
    with pytest.raises(Unavailable, match="sqs: InternalError"):
        refusing.give_back([received])
    queue.postpone(one["ReceiptHandle"], until=utc_now())
    assert len(receive_all(queue, 2)) == 2, "it is there twice"


class _Refusing:
    """A client whose deletions are refused one by one, in an answer that is a success as a whole."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def call(self, operation: str, /, **parameters: Any) -> dict[str, Any]:
        if operation != "DeleteMessageBatch":
            return self._client.call(operation, **parameters)
        entries = parameters["Entries"]
        return {"Failed": [{"Id": entry["Id"], "Code": "InternalError", "SenderFault": False} for entry in entries]}


@pytest.mark.parametrize("text", ["hello", "x" * 250_000])
def test_an_unreadable_text_is_kept_with_its_message_and_the_reason(queue: SqsTaskQueue, text: str) -> None:
    unreadable = SqsUnreadableMessages(client=queue.client, url=queue.url)
    unreadable.keep(text, message_id="m-1", reason="not a message of this service: Expecting value")
    [kept] = receive(queue)
    assert kept["Body"] == text[:LONGEST_UNREADABLE]
    attributes = {name: value["StringValue"] for name, value in kept["MessageAttributes"].items()}
    assert attributes == {"messageId": "m-1", "reason": "not a message of this service: Expecting value"}


def test_the_queue_answers(queue: SqsTaskQueue) -> None:
    queue.ping()


def test_a_queue_that_is_gone_is_unavailable(queue: SqsTaskQueue, on_aws: Aws) -> None:
    gone = SqsTaskQueue(client=on_aws.client("sqs"), url=queue.url + "-gone", clock=utc_now)
    with pytest.raises(Unavailable, match="sqs: "):
        gone.ping()
    with pytest.raises(Unavailable):
        gone.send(TaskMessage(task_id="t", attempt=1))
    with pytest.raises(Unavailable):
        gone.send_all([TaskMessage(task_id="t", attempt=1)])


def receive(queue: SqsTaskQueue) -> list[dict[str, Any]]:
    names = {"AttributeNames": ["All"], "MessageAttributeNames": ["All"]}
    answer = queue.client.call("ReceiveMessage", QueueUrl=queue.url, MaxNumberOfMessages=10, **names)
    return list(answer.get("Messages", []))


def receive_all(queue: SqsTaskQueue, count: int) -> list[dict[str, Any]]:
    received: list[dict[str, Any]] = []
    while len(received) < count:
        batch = receive(queue)
        assert batch, "not all have arrived"
        received += batch
    return received
