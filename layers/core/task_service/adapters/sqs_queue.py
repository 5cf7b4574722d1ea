"""The task queue in SQS."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from task_service.adapters import aws
from task_service.domain.errors import Unavailable
from task_service.domain.task import GroupStart, Message
from task_service.wired import wired

BATCH: Final = 10
"""The most messages of one request
(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html)."""


@wired
class SqsTaskQueue:
    """One SQS standard queue."""

    client: Any
    url: str

    def send(self, message: Message | GroupStart, *, delay_seconds: int = 0) -> None:
        """Put a message into the queue; returns once it is durable."""
        delay = {"DelaySeconds": delay_seconds} if delay_seconds else {}
        aws.request(self.client.send_message, QueueUrl=self.url, MessageBody=to_text(message), **delay)

    def send_all(self, messages: Sequence[Message]) -> None:
        """Put messages into the queue, ten with a request; returns once all are durable."""
        for start in range(0, len(messages), BATCH):
            batch = messages[start : start + BATCH]
            entries = [{"Id": str(number), "MessageBody": to_text(message)} for number, message in enumerate(batch)]
            answer = aws.request(self.client.send_message_batch, QueueUrl=self.url, Entries=entries)
            if answer.get("Failed"):
                raise Unavailable(f"sqs: {answer['Failed'][0].get('Code', 'unknown')}")

    def ping(self) -> None:
        """Return where the queue answers."""
        aws.request(self.client.get_queue_attributes, QueueUrl=self.url, AttributeNames=["QueueArn"])

    def postpone(self, receipt: str, *, seconds: int) -> None:
        """Keep a received message, which will not be deleted, from appearing again for that long."""
        aws.request(
            self.client.change_message_visibility,
            QueueUrl=self.url,
            ReceiptHandle=receipt,
            VisibilityTimeout=seconds,
        )


def to_text(message: Message | GroupStart) -> str:
    """A message as the body of an SQS message."""
    if isinstance(message, GroupStart):
        return json.dumps({"list": message.list_id, "group": message.group, "failedBefore": message.failed_before})
    body: dict[str, Any] = {"id": message.task_id, "attempt": message.attempt}
    if message.not_before is not None:
        body["notBefore"] = round(message.not_before.timestamp() * 1000)
    return json.dumps(body)


def from_text(text: str) -> Message | GroupStart:
    """The message of an SQS body. Raises ValueError for one that this service has not written."""
    try:
        body = json.loads(text)
        if "list" in body:
            return GroupStart(
                list_id=str(body["list"]), group=int(body["group"]), failed_before=bool(body["failedBefore"])
            )
        not_before = body.get("notBefore")
        return Message(
            task_id=str(body["id"]),
            attempt=int(body["attempt"]),
            not_before=None if not_before is None else datetime.fromtimestamp(not_before / 1000, UTC),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a message of this service: {type(error).__name__}") from error
