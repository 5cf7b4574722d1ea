"""The task queue in SQS."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from task_service.adapters import aws
from task_service.domain.task import Message


@dataclass(frozen=True, kw_only=True)
class SqsTaskQueue:
    """One SQS standard queue."""

    client: Any
    url: str

    def send(self, message: Message, *, delay_seconds: int = 0) -> None:
        """Put a message into the queue; returns once it is durable."""
        delay = {"DelaySeconds": delay_seconds} if delay_seconds else {}
        aws.request(self.client.send_message, QueueUrl=self.url, MessageBody=to_text(message), **delay)

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


def to_text(message: Message) -> str:
    """A message as the body of an SQS message."""
    body: dict[str, Any] = {"id": message.task_id, "attempt": message.attempt}
    if message.not_before is not None:
        body["notBefore"] = round(message.not_before.timestamp() * 1000)
    return json.dumps(body)


def from_text(text: str) -> Message:
    """The message of an SQS body. Raises ValueError for one that this service has not written."""
    try:
        body = json.loads(text)
        not_before = body.get("notBefore")
        return Message(
            task_id=str(body["id"]),
            attempt=int(body["attempt"]),
            not_before=None if not_before is None else datetime.fromtimestamp(not_before / 1000, UTC),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a message of this service: {type(error).__name__}") from error
