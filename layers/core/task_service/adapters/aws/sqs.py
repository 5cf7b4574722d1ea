"""The task queue in SQS."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from task_service.adapters.aws.wire import Client
from task_service.domain.errors import Unavailable
from task_service.domain.messages import QueueMessage, TaskMessage, to_text
from task_service.ports import Clock

LONGEST_DELAY: Final = 900
"""Seconds by which SQS can delay a message
(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html)."""

BATCH: Final = 10
"""The most messages of one request
(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html)."""


@dataclass(kw_only=True, eq=False, repr=False)
class SqsTaskQueue:
    """One SQS standard queue."""

    client: Client
    url: str
    clock: Clock

    def send(self, message: QueueMessage, *, due_at: datetime | None = None) -> None:
        """Put a message into the queue, delayed until `due_at` or by LONGEST_DELAY; returns once it is durable."""
        seconds = min(self._seconds_until(due_at), LONGEST_DELAY) if due_at else 0
        delay = {"DelaySeconds": seconds} if seconds else {}
        self.client.call("SendMessage", QueueUrl=self.url, MessageBody=to_text(message), **delay)

    def send_all(self, messages: Sequence[TaskMessage]) -> None:
        """Put messages into the queue, ten with a request; returns once all are durable."""
        for start in range(0, len(messages), BATCH):
            batch = messages[start : start + BATCH]
            entries = [{"Id": str(number), "MessageBody": to_text(message)} for number, message in enumerate(batch)]
            answer = self.client.call("SendMessageBatch", QueueUrl=self.url, Entries=entries)
            if len(answer.get("Successful", [])) < len(batch):
                codes = {failed.get("Code", "unknown") for failed in answer.get("Failed", [])}
                raise Unavailable(f"sqs: {', '.join(sorted(codes)) or 'messages are not acknowledged'}")

    def ping(self) -> None:
        """Return where the queue answers."""
        self.client.call("GetQueueAttributes", QueueUrl=self.url, AttributeNames=["QueueArn"])

    def postpone(self, receipt: str, *, until: datetime) -> None:
        """Hide a received message, which will not be deleted, until then."""
        self.client.call(
            "ChangeMessageVisibility",
            QueueUrl=self.url,
            ReceiptHandle=receipt,
            VisibilityTimeout=self._seconds_until(until),
        )

    def _seconds_until(self, moment: datetime) -> int:
        """Whole seconds, rounded up: a message must not come early for a fraction of a second."""
        return max(0, math.ceil((moment - self.clock()).total_seconds()))
