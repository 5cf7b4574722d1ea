"""What SQS acknowledges, and what is no acknowledgement."""

import json
from datetime import timedelta
from typing import Any

import pytest

from task_service.adapters.aws.sqs import PAUSES, SqsTaskQueue, SqsUnreadableMessages
from task_service.domain.errors import Unavailable
from task_service.domain.messages import TaskMessage
from task_service.testing import FakeClock
from task_service.wiring.services import utc_now


class Says:
    """A client whose every answer is this one."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self._answer = answer

    def call(self, operation: str, /, **parameters: Any) -> dict[str, Any]:
        return self._answer


@pytest.mark.parametrize("answer", [{}, {"MessageId": ""}, {"MessageId": None}, {"message": "welcome"}])
def test_an_answer_that_acknowledges_nothing_is_no_acknowledgement(answer: dict[str, Any]) -> None:
    with pytest.raises(Unavailable, match="not acknowledged"):
        SqsTaskQueue(client=Says(answer), url="u", clock=utc_now).send(TaskMessage(task_id="t", attempt=1))
    with pytest.raises(Unavailable, match="not acknowledged"):
        SqsUnreadableMessages(client=Says(answer), url="u").keep("hello", message_id="m", reason="r")


@pytest.mark.parametrize("answer", [{}, {"Successful": None, "Failed": None}, {"Successful": [{"Id": "0"}] * 2}])
def test_a_batch_of_which_not_every_entry_is_named_is_not_acknowledged(answer: dict[str, Any]) -> None:
    messages = [TaskMessage(task_id=f"t{number}", attempt=1) for number in range(2)]
    with pytest.raises(Unavailable, match="not acknowledged"):
        SqsTaskQueue(client=Says(answer), url="u", clock=utc_now).send_all(messages)


class Records:
    """A client that remembers what it was called with."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    def call(self, operation: str, /, **parameters: Any) -> dict[str, Any]:
        self.calls.append(parameters)
        return {"MessageId": "m"}


@pytest.mark.parametrize(
    ("seconds", "delays"),
    [
        (-5, [None]),
        (0, [None]),
        (0.2, [1]),
        (900, [900]),
        (901, [1, 900]),
        (1_200, [300, 900]),
        (1_800, [900, 900]),
        (2_000, [900, 200, 900]),
    ],
)
def test_of_a_long_wait_the_last_message_waits_longest(seconds: float, delays: list[int | None]) -> None:
    client, clock = Records(), FakeClock()
    queue = SqsTaskQueue(client=client, url="u", clock=clock)
    due_at = clock.now + timedelta(seconds=seconds)
    for delay in delays:
        queue.send(TaskMessage(task_id="t", attempt=1, not_before=due_at), due_at=due_at)
        clock.advance(delay or 0)
    assert [call.get("DelaySeconds") for call in client.calls] == delays
    assert clock.now >= due_at


class TakesSome:
    """A client whose batches are taken without those messages, each as often as it says."""

    def __init__(self, refusals: dict[str, int]) -> None:
        self.refusals = refusals
        self.batches: list[list[str]] = []

    def call(self, operation: str, /, **parameters: Any) -> dict[str, Any]:
        answer: dict[str, Any] = {"Successful": [], "Failed": []}
        self.batches.append([])
        for entry in parameters["Entries"]:
            task_id = json.loads(entry["MessageBody"])["id"]
            self.batches[-1].append(task_id)
            refused = self.refusals.get(task_id, 0)
            self.refusals[task_id] = refused - 1
            answer["Failed" if refused > 0 else "Successful"].append({"Id": entry["Id"]})
        return answer


def test_what_a_batch_leaves_out_is_sent_again_and_then_given_up() -> None:
    client, pauses = TakesSome({"t1": 1, "t2": 9}), list[float]()
    queue = SqsTaskQueue(client=client, url="u", clock=FakeClock(), pause=pauses.append)
    messages = [TaskMessage(task_id=f"t{number}", attempt=1) for number in range(4)]

    assert queue.send_each(messages) == [messages[2]]

    assert client.batches == [["t0", "t1", "t2", "t3"], ["t1", "t2"], ["t2"]]
    assert pauses == list(PAUSES)


def test_a_batch_goes_out_ten_by_ten() -> None:
    client = TakesSome({})
    messages = [TaskMessage(task_id=f"t{number}", attempt=1) for number in range(25)]
    assert SqsTaskQueue(client=client, url="u", clock=FakeClock()).send_each(messages) == []
    assert [len(batch) for batch in client.batches] == [10, 10, 5]


def test_a_queue_that_does_not_answer_is_not_asked_for_each_ten() -> None:
    calls: list[str] = []

    class Silent:
        def call(self, operation: str, /, **parameters: Any) -> dict[str, Any]:
            calls.append(operation)
            raise Unavailable("sqs: TimeoutError")

    messages = [TaskMessage(task_id=f"t{number}", attempt=1) for number in range(25)]
    assert SqsTaskQueue(client=Silent(), url="u", clock=FakeClock()).send_each(messages) == messages
    assert len(calls) == 1


def test_a_group_is_the_group_of_a_fair_queue() -> None:
    client = Records()
    queue = SqsTaskQueue(client=client, url="u", clock=FakeClock())
    queue.send(TaskMessage(task_id="t", attempt=1, queue_group="tenant-1"))
    queue.send(TaskMessage(task_id="t", attempt=1))
    assert [call.get("MessageGroupId") for call in client.calls] == ["tenant-1", None]
