"""Moves events from the buffer into the event queue, until the queue has them."""

import asyncio
import logging
import random
from collections.abc import Sequence
from typing import Protocol

from bridge.buffer import BATCH, Buffer, Delivery, Event
from bridge.envelope import MAX_BYTES
from bridge.metrics import BUFFER_FULL, MALFORMED, REFUSED, STOPPED, TOO_LARGE, Metrics
from bridge.queue import SENDERS, Refusal

log = logging.getLogger("bridge")

PROBES = SENDERS * BATCH
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 10.0


class Queue(Protocol):
    """Takes messages, ten at a time."""

    async def send(self, bodies: Sequence[str]) -> list[Refusal | None]:
        """Send messages; for each, None once it is durable, or the refusal."""


class Forwarder:
    """Sends events with several senders, which slow down together while the queue refuses."""

    def __init__(self, buffer: Buffer, queue: Queue, metrics: Metrics) -> None:
        self._buffer = buffer
        self._queue = queue
        self._metrics = metrics
        self._pause = 0.0

    async def run(self) -> None:
        """Send until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(SENDERS):
                group.create_task(self._send_all())

    async def receive(self, body: str, delivery: Delivery) -> None:
        """Take an event, given its envelope."""
        event = Event(body, delivery)
        self._metrics.received.inc()
        if len(body) > MAX_BYTES:
            await self._drop(delivery, TOO_LARGE, f"{len(body)} bytes as a message, the queue takes {MAX_BYTES}")
        elif self._pause and len(self._buffer) >= PROBES and await self._give_back(event, self._pause):
            # While the queue refuses, JetStream keeps the events; a few in the buffer show when it takes them again.
            return
        elif not self._buffer.offer(event) and not await self._give_back(event, FIRST_PAUSE):
            await self._drop(delivery, BUFFER_FULL, "the queue takes none, and the buffer is full")

    async def refuse(self, delivery: Delivery, fault: str) -> None:
        """Drop a message that no event can be read from, now or later."""
        self._metrics.received.inc()
        await self._drop(delivery, MALFORMED, fault)

    async def give_up(self) -> None:
        """Give unsent events back to NATS once `run` has ended; count those that NATS cannot take as lost."""
        lost = 0
        for event in self._buffer.give_up():
            if not await self._give_back(event, 0):
                lost += 1
        if lost:
            self._metrics.dropped.labels(STOPPED).inc(lost)
            log.error("events are lost: the queue takes none", extra={"action": "stop", "events": lost})

    async def _send_all(self) -> None:
        while True:
            batch = await self._buffer.take()
            while batch := await self._send(batch):
                await self._wait()
            if self._pause:
                await self._wait()

    async def _send(self, batch: list[Event]) -> list[Event]:
        """Send a batch; returns the events that must be sent again."""
        refusals = await self._queue.send([event.body for event in batch])
        is_refused = any(refusal is not None and not refusal.is_hopeless for refusal in refusals)
        self._pause = min(max(self._pause * 2, FIRST_PAUSE), LONGEST_PAUSE) if is_refused else 0.0
        again: list[Event] = []
        for event, refusal in zip(batch, refusals, strict=True):
            if refusal is None:
                self._metrics.sent.inc()
                await event.delivery.accept()
            elif refusal.is_hopeless:
                await self._drop(event.delivery, REFUSED, refusal.code)
            elif not await self._give_back(event, self._pause):
                again.append(event)
                continue
            self._buffer.done(event)
        return again

    async def _drop(self, delivery: Delivery, reason: str, detail: str) -> None:
        self._metrics.dropped.labels(reason).inc()
        log.error("event dropped", extra={"action": "drop", "reason": reason, "detail": detail})
        await delivery.drop()

    async def _give_back(self, event: Event, seconds: float) -> bool:
        given = await event.delivery.give_back(seconds)
        if given:
            self._metrics.given_back.inc()
        return given

    async def _wait(self) -> None:
        await asyncio.sleep(self._pause * random.uniform(0.5, 1))
