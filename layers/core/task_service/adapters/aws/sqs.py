"""The task queue in SQS, and the queue of unreadable messages."""

import logging
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from task_service.adapters.aws.wire import Client
from task_service.domain.errors import Unavailable
from task_service.domain.messages import QueueMessage, Received, TaskMessage, to_text
from task_service.ports import Clock, Pause

log: Final = logging.getLogger("task")

LONGEST_DELAY: Final = 900
"""Seconds by which SQS can delay a message
(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html)."""

BATCH: Final = 10
"""The most messages of one request
(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html)."""

PAUSES: Final = (0.1, 0.4)
"""Seconds before messages are sent again that SQS has not taken out of a batch."""

LONGEST_UNREADABLE: Final = 60_000
"""Characters that are kept of an unreadable text. No message of this service is as long, and a longer text with its
attributes might not fit a message."""


@dataclass(kw_only=True, eq=False, repr=False)
class SqsTaskQueue:
    """One SQS standard queue."""

    client: Client
    url: str
    clock: Clock
    pause: Pause = time.sleep

    def send(self, message: QueueMessage, *, due_at: datetime | None = None) -> None:
        """Put a message into the queue, delayed until `due_at` or a time before it; returns once it is durable."""
        _check_sent(self.client.call("SendMessage", QueueUrl=self.url, **_entry(message), **self._delay(due_at)))

    def send_all(self, messages: Sequence[TaskMessage]) -> None:
        """Put messages into the queue, ten with a request; returns once all are durable."""
        for start in range(0, len(messages), BATCH):
            self._send_batch(messages[start : start + BATCH])

    def send_each(self, messages: Sequence[TaskMessage]) -> Sequence[TaskMessage]:
        """Put messages into the queue, ten with a request, each with its delay; returns those that may not be in it."""
        unsent: list[TaskMessage] = []
        for start in range(0, len(messages), BATCH):
            try:
                unsent += self._send_some(messages[start : start + BATCH])
            except Unavailable as reason:
                # The queue does not answer. Asking again for each ten would take longer than a client waits.
                log.warning(str(reason), extra={"action": "send each"})
                return [*unsent, *messages[start:]]
        return unsent

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

    def give_back(self, received: Sequence[Received]) -> None:
        """Put received messages back, up to ten, as new ones that are delivered at once; then delete them."""
        self._send_batch([one.message for one in received])
        entries = [{"Id": str(number), "ReceiptHandle": one.receipt} for number, one in enumerate(received)]
        _check_batch(self.client.call("DeleteMessageBatch", QueueUrl=self.url, Entries=entries), len(entries))

    def _send_batch(self, messages: Sequence[QueueMessage]) -> None:
        entries = [{"Id": str(number), **_entry(message)} for number, message in enumerate(messages)]
        _check_batch(self.client.call("SendMessageBatch", QueueUrl=self.url, Entries=entries), len(entries))

    def _send_some(self, messages: Sequence[TaskMessage]) -> Sequence[TaskMessage]:
        """Send up to ten messages, and again those that SQS has not taken; returns those that it does not take."""
        left = list(messages)
        for seconds in (*PAUSES, None):
            entries = [
                {"Id": str(number), **_entry(message), **self._delay(message.not_before)}
                for number, message in enumerate(left)
            ]
            answer = self.client.call("SendMessageBatch", QueueUrl=self.url, Entries=entries)
            taken = {done.get("Id") for done in answer.get("Successful") or ()}
            left = [message for number, message in enumerate(left) if str(number) not in taken]
            if not left:
                break
            if seconds is not None:
                self.pause(seconds)
        return left

    def _delay(self, due_at: datetime | None) -> dict[str, int]:
        seconds = _first_hop(self._seconds_until(due_at)) if due_at else 0
        return {"DelaySeconds": seconds} if seconds else {}

    def _seconds_until(self, moment: datetime) -> int:
        """Whole seconds, rounded up: a message must not come early for a fraction of a second."""
        return max(0, math.ceil((moment - self.clock()).total_seconds()))


@dataclass(kw_only=True, eq=False, repr=False)
class SqsUnreadableMessages:
    """The SQS queue of what came out of the task queue and is no message."""

    client: Client
    url: str

    def keep(self, text: str, *, message_id: str, reason: str) -> None:
        """Put a text into the queue, with its message's id and the reason as attributes; returns once it is durable."""
        answer = self.client.call(
            "SendMessage",
            QueueUrl=self.url,
            MessageBody=text[:LONGEST_UNREADABLE],
            MessageAttributes={
                "messageId": {"DataType": "String", "StringValue": message_id},
                "reason": {"DataType": "String", "StringValue": reason},
            },
        )
        _check_sent(answer)


def _entry(message: QueueMessage) -> dict[str, str]:
    """A message, in the group in whose turn SQS delivers it: that is a fair queue
    (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-fair-queues.html)."""
    group = {"MessageGroupId": message.queue_group} if message.queue_group else {}
    return {"MessageBody": to_text(message), **group}


def _first_hop(seconds: int) -> int:
    """The delay of the first of the messages that together wait for `seconds`.

    The last one waits as long as a message can. So an executor that crashes with the one before it, which comes again
    after the visibility timeout, still sends the last one in time.
    """
    return seconds if seconds <= LONGEST_DELAY else min(seconds - LONGEST_DELAY, LONGEST_DELAY)


def _check_sent(answer: Mapping[str, Any]) -> None:
    """Raise Unavailable unless SQS has acknowledged a message: a proxy's empty object is no acknowledgement."""
    if not answer.get("MessageId"):
        raise Unavailable("sqs: the message is not acknowledged")


def _check_batch(answer: Mapping[str, Any], entries: int) -> None:
    """Raise Unavailable unless SQS has acknowledged each entry of a batch."""
    if len({done.get("Id") for done in answer.get("Successful") or ()}) < entries:
        codes = {failed.get("Code", "unknown") for failed in answer.get("Failed") or ()}
        raise Unavailable(f"sqs: {', '.join(sorted(codes)) or 'messages are not acknowledged'}")
