"""The task queue in SQS."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from task_service.adapters.aws import client as aws
from task_service.domain.errors import Unavailable
from task_service.domain.task import CacheWrite, GroupStart, ListCancel, Message, QueueMessage

BATCH: Final = 10
"""The most messages of one request
(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html)."""


@dataclass(kw_only=True, eq=False, repr=False)
class SqsTaskQueue:
    """One SQS standard queue."""

    client: Any
    url: str

    def send(self, message: QueueMessage, *, delay_seconds: int = 0) -> None:
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


def to_text(message: QueueMessage) -> str:
    """A message as the body of an SQS message."""
    body: dict[str, Any]
    match message:
        case GroupStart():
            body = {
                "list": message.list_id,
                "group": message.group,
                "failedBefore": message.failed_before,
                "replay": message.replay or None,
            }
        case ListCancel():
            body = {"cancel": message.list_id, "replay": message.replay or None}
        case CacheWrite():
            body = {
                "cache": message.key,
                "isList": message.is_list,
                "namespace": message.namespace,
                "scope": message.scope,
                "attempt": message.attempt,
                "notBefore": _milliseconds(message.not_before),
            }
        case Message():
            body = {
                "id": message.task_id,
                "attempt": message.attempt,
                "notBefore": _milliseconds(message.not_before),
                "replay": message.replay or None,
            }
    return json.dumps({name: value for name, value in body.items() if value is not None})


def from_text(text: str) -> QueueMessage:
    """The message of an SQS body. Raises ValueError for one that this service has not written."""
    try:
        body = json.loads(text)
        if "list" in body:
            return GroupStart(
                list_id=str(body["list"]),
                group=int(body["group"]),
                failed_before=bool(body["failedBefore"]),
                replay=int(body.get("replay", 0)),
            )
        if "cancel" in body:
            return ListCancel(list_id=str(body["cancel"]), replay=int(body.get("replay", 0)))
        attempt, not_before = int(body["attempt"]), _time(body.get("notBefore"))
        if "cache" in body:
            return CacheWrite(
                key=str(body["cache"]),
                is_list=bool(body["isList"]),
                namespace=str(body["namespace"]),
                scope=str(body["scope"]),
                attempt=attempt,
                not_before=not_before,
            )
        replay = int(body.get("replay", 0))
        return Message(task_id=str(body["id"]), attempt=attempt, not_before=not_before, replay=replay)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a message of this service: {type(error).__name__}") from error


def _milliseconds(moment: datetime | None) -> int | None:
    return None if moment is None else round(moment.timestamp() * 1000)


def _time(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)
