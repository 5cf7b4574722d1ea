"""Events that NATS has delivered and the event queue does not have yet, within bounds."""

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Protocol

from bridge.envelope import MAX_BYTES

BATCH = 10
"""The most messages of one request to the event queue."""


class Delivery(Protocol):
    """How NATS delivered an event, and how NATS is told its end."""

    async def accept(self) -> None:
        """The event queue has the event."""

    async def give_back(self, seconds: float) -> bool:
        """Have NATS deliver the event again after that time; False where NATS cannot."""

    async def drop(self) -> None:
        """The event is lost, and is not delivered again."""


@dataclass(frozen=True, slots=True, eq=False)
class Event:
    """An event in hand."""

    body: str
    """Its envelope."""
    delivery: Delivery


class Buffer:
    """First in, first out. All waiting events go out together, and none waits for others."""

    def __init__(self, *, max_events: int, max_bytes: int) -> None:
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._waiting: deque[Event] = deque()
        self._bytes = 0
        self._in_hand: set[Event] = set()
        self._filled = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def __len__(self) -> int:
        return len(self._waiting) + len(self._in_hand)

    def offer(self, event: Event) -> bool:
        """Keep an event; False where there is no room."""
        if len(self) >= self._max_events or self._bytes + len(event.body) > self._max_bytes:
            return False
        self._waiting.append(event)
        self._bytes += len(event.body)
        self._filled.set()
        self._idle.clear()
        return True

    async def take(self) -> list[Event]:
        """The waiting events, as many as one request carries, as soon as there is one."""
        while not self._waiting:
            self._filled.clear()
            await self._filled.wait()
        batch: list[Event] = []
        size = 0
        while self._waiting and len(batch) < BATCH and size + len(self._waiting[0].body) <= MAX_BYTES:
            event = self._waiting.popleft()
            batch.append(event)
            size += len(event.body)
        self._in_hand.update(batch)
        return batch

    def done(self, event: Event) -> None:
        """Forget an event that was taken."""
        self._in_hand.remove(event)
        self._bytes -= len(event.body)
        if not len(self):
            self._idle.set()

    def give_up(self) -> list[Event]:
        """Forget all events that wait or are in hand, and return them."""
        left = [*self._in_hand, *self._waiting]
        self._in_hand.clear()
        self._waiting.clear()
        self._bytes = 0
        self._idle.set()
        return left

    async def empty(self) -> None:
        """Return when no event waits or is in hand."""
        await self._idle.wait()
