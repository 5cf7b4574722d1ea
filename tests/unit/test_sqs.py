"""What SQS acknowledges, and what is no acknowledgement."""

from datetime import timedelta
from typing import Any

import pytest

from task_service.adapters.aws.sqs import SqsTaskQueue, SqsUnreadableMessages
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
