"""What the queue's adapter does."""

from datetime import timedelta

import pytest

from task_service.adapters.aws.sqs import SqsTaskQueue
from task_service.domain.errors import Unavailable
from task_service.domain.messages import GroupStart, ListCancel, TaskMessage, from_text
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


def receive(queue: SqsTaskQueue) -> list[dict[str, str]]:
    answer = queue.client.call("ReceiveMessage", QueueUrl=queue.url, MaxNumberOfMessages=10)
    return list(answer.get("Messages", []))
