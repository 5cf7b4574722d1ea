"""JetStream: a durable consumer that the bridges share, so that what nobody has acknowledged comes again.

It pushes, with a deliver group: events come without being asked for, one bridge gets each, and `max_ack_pending` bounds
how many are under way.
"""

import logging
from contextlib import suppress
from dataclasses import dataclass

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, StorageType, StreamConfig
from nats.js.errors import NotFoundError

from bridge.settings import NatsSettings

log = logging.getLogger("bridge")

MAX_ACK_PENDING = 200
"""Events that the bridges have and have not acknowledged: enough to keep every sender busy, and so few that none waits
for its turn until JetStream delivers it again, which would make more work of too much work."""
MAX_AGE_SECONDS = 7 * 24 * 3600
"""How long a stream that is created here keeps events."""


@dataclass(frozen=True, slots=True)
class JetStreamDelivery:
    """Delivered by JetStream, which keeps the event until it is acknowledged.

    A word to NATS that gets lost does no harm: the event comes again, and makes no second task.
    """

    message: Msg

    async def accept(self) -> None:
        """SQS has it."""
        with suppress(nats.errors.Error):
            await self.message.ack()

    async def give_back(self, seconds: float) -> bool:
        """Have it delivered again after that time."""
        with suppress(nats.errors.Error):
            await self.message.nak(delay=seconds or None)
        return True

    async def drop(self) -> None:
        """Nobody will ever have it."""
        with suppress(nats.errors.Error):
            await self.message.term()


@dataclass(frozen=True, slots=True)
class Consumer:
    """Where the consumer delivers."""

    deliver_subject: str
    deliver_group: str


class WrongConsumerError(nats.errors.Error):
    """The durable consumer is there, but not one that pushes to a deliver group."""

    def __str__(self) -> str:
        return self.__doc__ or ""


async def consumer_of(client: Client, settings: NatsSettings) -> Consumer:
    """The consumer of the settings, created where there is none, with its stream where there is none."""
    stream = settings.stream or ""
    jetstream = client.jetstream()
    await _find_or_create_stream(jetstream, stream, settings.subject)
    try:
        config = (await jetstream.consumer_info(stream, settings.durable)).config
    except NotFoundError:
        info = await jetstream.add_consumer(
            stream,
            ConsumerConfig(
                durable_name=settings.durable,
                # The same for every bridge, so that two that create it at the same time do not disagree.
                deliver_subject=f"_INBOX.{stream}.{settings.durable}",
                deliver_group=settings.queue_group,
                deliver_policy=DeliverPolicy.ALL,
                ack_policy=AckPolicy.EXPLICIT,
                ack_wait=settings.ack_wait_seconds,
                max_ack_pending=MAX_ACK_PENDING,
                filter_subject=settings.subject,
            ),
        )
        config = info.config
        log.info("consumer created", extra={"action": "connect", "stream": stream, "consumer": settings.durable})
    if not (config.deliver_subject and config.deliver_group):
        raise WrongConsumerError
    return Consumer(config.deliver_subject, config.deliver_group)


async def _find_or_create_stream(jetstream: JetStreamContext, stream: str, subject: str) -> None:
    try:
        await jetstream.stream_info(stream)
    except NotFoundError:
        await jetstream.add_stream(
            StreamConfig(name=stream, subjects=[subject], storage=StorageType.FILE, max_age=MAX_AGE_SECONDS)
        )
        log.info("stream created", extra={"action": "connect", "stream": stream})
