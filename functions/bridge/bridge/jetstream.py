"""JetStream: a durable consumer that the bridges share, so that an event without an acknowledgement comes again.

It pushes, with a deliver group: events come without being asked for, one bridge gets each, and `max_ack_pending` bounds
how many are under way.
"""

import json
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import (
    DEFAULT_PREFIX,
    AckPolicy,
    ConsumerConfig,
    ConsumerInfo,
    DeliverPolicy,
    StorageType,
    StreamConfig,
    StreamInfo,
)
from nats.js.errors import APIError, NotFoundError

from bridge.client import DescribedError
from bridge.settings import NatsSettings

log = logging.getLogger("bridge")

MAX_ACK_PENDING = 200
"""Events that the bridges have and have not acknowledged: enough to keep every sender busy, and so few that none waits
for its turn until JetStream delivers it again, which would make more work of too much work."""
CHECK_TIMEOUT_SECONDS = 5.0
MAX_AGE_SECONDS = 7 * 24 * 3600
"""How long a stream that is created here keeps events."""


@dataclass(frozen=True, slots=True)
class JetStreamDelivery:
    """Delivered by JetStream, which keeps the event until it is acknowledged.

    An acknowledgement that gets lost does no harm: the event comes again, and makes no second task.
    """

    message: Msg

    async def accept(self) -> None:
        """The event queue has the event."""
        with suppress(nats.errors.Error):
            await self.message.ack()

    async def give_back(self, seconds: float) -> bool:
        """Have JetStream deliver the event again after that time."""
        with suppress(nats.errors.Error):
            await self.message.nak(delay=seconds or None)
        return True

    async def drop(self) -> None:
        """The event is lost, and JetStream does not deliver it again."""
        with suppress(nats.errors.Error):
            await self.message.term()


@dataclass(frozen=True, slots=True)
class Consumer:
    """Where the consumer delivers."""

    deliver_subject: str
    deliver_group: str


class WrongConsumerError(DescribedError):
    """The durable consumer does not push whole messages to a deliver group, each to be acknowledged by itself."""


class NothingArrivesError(nats.errors.Error):
    """The stream or the consumer is set so that no event of NATS_SUBJECT arrives; the message says how."""


async def consumer_of(client: Client, settings: NatsSettings) -> Consumer:
    """The consumer of the settings, created where there is none, with its stream where there is none.

    Both are brought in line with NATS_SUBJECT. Raises NothingArrivesError where the server does not allow that.
    """
    stream = settings.stream or ""
    jetstream = client.jetstream()
    try:
        streamed = await jetstream.stream_info(stream)
    except NotFoundError:
        await _create_stream(jetstream, stream, settings.subject)
    else:
        await _bring_stream_in_line(client, streamed, settings.subject)
    try:
        info = await jetstream.consumer_info(stream, settings.durable)
    except NotFoundError:
        info = await _create_consumer(jetstream, settings)
    consumer = _consumer(info.config)
    if _filter_fault(info.config, settings) is not None:
        await _bring_consumer_in_line(client, info, settings)
    return consumer


async def check_consumer(client: Client, settings: NatsSettings, consumer: Consumer) -> None:
    """Check that the consumer delivers the published events to this bridge.

    Raises NotFoundError and WrongConsumerError where it has to be looked up again, NothingArrivesError while an
    operator or another bridge has it deliver nothing, or something else.
    """
    info = await client.jetstream(timeout=CHECK_TIMEOUT_SECONDS).consumer_info(settings.stream or "", settings.durable)
    if _consumer(info.config) != consumer:
        raise WrongConsumerError
    if (fault := _filter_fault(info.config, settings)) is not None:
        raise NothingArrivesError(fault)
    if info.paused:
        raise NothingArrivesError(f"the consumer {settings.durable!r} is paused")
    if info.push_bound is False:
        raise NothingArrivesError(f"the consumer {settings.durable!r} has no subscriber, not this bridge either")


def meet(one: str, other: str) -> bool:
    """Whether two subjects, with or without wildcards, can have a message in common."""
    left, right = one.split("."), other.split(".")
    for mine, yours in zip(left, right, strict=False):
        if ">" in (mine, yours):
            return True
        if mine != yours and "*" not in (mine, yours):
            return False
    return len(left) == len(right)


def covers(wide: str, narrow: str) -> bool:
    """Whether every message of the narrow subject is one of the wide subject."""
    outer, inner = wide.split("."), narrow.split(".")
    for theirs, own in zip(outer, inner, strict=False):
        if theirs == ">":
            return True
        if own == ">" or (theirs != own and theirs != "*"):
            return False
    return len(outer) == len(inner)


def _consumer(config: ConsumerConfig) -> Consumer:
    """Where a consumer with this configuration delivers. Raises WrongConsumerError for one that does not fit."""
    is_whole = config.ack_policy == AckPolicy.EXPLICIT and not config.flow_control and not config.headers_only
    if not (config.deliver_subject and config.deliver_group and is_whole):
        raise WrongConsumerError
    return Consumer(config.deliver_subject, config.deliver_group)


def _filter_fault(config: ConsumerConfig, settings: NatsSettings) -> str | None:
    """How the consumer's filter differs from NATS_SUBJECT; a consumer without a filter delivers the whole stream."""
    filters = config.filter_subjects or ([config.filter_subject] if config.filter_subject else [])
    if filters in ([], [settings.subject]):
        return None
    return f"NATS_SUBJECT is {settings.subject!r}, the consumer {settings.durable!r} delivers {_listed(filters)}"


async def _create_stream(jetstream: JetStreamContext, stream: str, subject: str) -> None:
    await jetstream.add_stream(
        StreamConfig(name=stream, subjects=[subject], storage=StorageType.FILE, max_age=MAX_AGE_SECONDS)
    )
    log.info("stream created", extra={"action": "connect", "stream": stream})


async def _create_consumer(jetstream: JetStreamContext, settings: NatsSettings) -> ConsumerInfo:
    stream = settings.stream or ""
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
    log.info("consumer created", extra={"action": "connect", "stream": stream, "consumer": settings.durable})
    return info


async def _bring_stream_in_line(client: Client, info: StreamInfo, subject: str) -> None:
    """Have the stream keep the subject too, beside the subjects that it keeps already."""
    config = info.config
    kept = config.subjects or []
    # Messages that a stream copies from others have the subjects of those.
    if config.mirror or config.sources or any(covers(one, subject) for one in kept):
        return
    # The server takes no two subjects that meet.
    wanted = [*(one for one in kept if not covers(subject, one)), subject]
    fault = f"NATS_SUBJECT is {subject!r}, the stream {config.name!r} keeps {_listed(kept)}"
    about = {"action": "connect", "stream": config.name, "subject": subject, "before": kept}
    try:
        stored = (await _ask(client, f"STREAM.INFO.{config.name}", {}))["config"]
        await _ask(client, f"STREAM.UPDATE.{config.name}", {**stored, "subjects": wanted})
    except APIError as error:
        if not any(meet(subject, one) for one in kept):
            raise NothingArrivesError(f"{fault} ({error.description})") from error
        log.warning("the stream keeps a part of NATS_SUBJECT only: %s", error.description, extra=about)
    else:
        log.warning("the stream keeps NATS_SUBJECT from now on", extra=about)


async def _bring_consumer_in_line(client: Client, info: ConsumerInfo, settings: NatsSettings) -> None:
    """Have the consumer deliver NATS_SUBJECT. It no longer delivers the waiting messages of another subject."""
    stream, fault = settings.stream or "", _filter_fault(info.config, settings)
    try:
        stored = (await _ask(client, f"CONSUMER.INFO.{stream}.{settings.durable}", {}))["config"]
        stored.pop("filter_subjects", None)
        changed = {**stored, "filter_subject": settings.subject}
        wanted = {"stream_name": stream, "config": changed, "action": "update"}
        await _ask(client, f"CONSUMER.DURABLE.CREATE.{stream}.{settings.durable}", wanted)
    except APIError as error:
        raise NothingArrivesError(f"{fault} ({error.description})") from error
    log.warning(
        "the consumer delivers NATS_SUBJECT from now on",
        extra={
            "action": "connect",
            "stream": stream,
            "consumer": settings.durable,
            "before": fault,
            "not_delivered": info.num_pending,
        },
    )


async def _ask(client: Client, what: str, body: dict[str, Any]) -> dict[str, Any]:
    """The answer of JetStream's API, with the settings that nats-py does not know. Raises APIError."""
    answer = await client.request(f"{DEFAULT_PREFIX}.{what}", json.dumps(body).encode() if body else b"", timeout=5)
    found: dict[str, Any] = json.loads(answer.data)
    if "error" in found:
        APIError.from_error(found["error"])
    return found


def _listed(subjects: Sequence[str]) -> str:
    return ", ".join(map(repr, subjects)) or "nothing"
