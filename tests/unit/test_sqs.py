"""What SQS acknowledges, and what is no acknowledgement."""

from typing import Any

import pytest

from task_service.adapters.aws.sqs import SqsTaskQueue, SqsUnreadableMessages
from task_service.domain.errors import Unavailable
from task_service.domain.messages import TaskMessage
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
