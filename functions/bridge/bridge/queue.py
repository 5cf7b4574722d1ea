"""The event queue, whatever keeps it: sending in threads, and what is seen of it in metrics, logs and health."""

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from bridge.metrics import Metrics

log = logging.getLogger("bridge")

SENDERS = 4
"""Requests to the queue at the same time."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The reason why the event queue does not have a message."""

    code: str
    is_hopeless: bool = False


class EventQueue(ABC):
    """A queue, named after the service that keeps it."""

    def __init__(self, service: str, metrics: Metrics) -> None:
        self._service = service
        self._metrics = metrics
        self._threads = ThreadPoolExecutor(SENDERS, thread_name_prefix=service)
        self.fault: str | None = None
        """The reason why the latest request failed; None if it did not."""

    async def send(self, bodies: Sequence[str]) -> list[Refusal | None]:
        """Put up to ten messages into the queue; for each, None once it is durable, or why it is not.

        A request without an answer counts as refused; the queue may have the messages all the same.
        """
        begun = time.monotonic()
        refusals = await asyncio.get_running_loop().run_in_executor(self._threads, self._send, bodies)
        self._metrics.send_seconds.observe(time.monotonic() - begun)
        refused = [refusal for refusal in refusals if refusal is not None]
        for refusal in refused:
            self._metrics.queue_errors.labels(refusal.code).inc()
        fault = next((refusal.code for refusal in refused if not refusal.is_hopeless), None)
        if fault != self.fault:
            about = {"action": "send", "code": fault}
            log.warning("%s: %s", self._service, fault or "takes events again", extra=about)
        self.fault = fault
        return refusals

    def close(self) -> None:
        """Close the connections, without waiting for requests that the queue has not answered yet."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._disconnect()

    @abstractmethod
    def _send(self, bodies: Sequence[str]) -> list[Refusal | None]:
        """Send messages, in a thread; for each, None or the refusal."""

    @abstractmethod
    def _disconnect(self) -> None:
        """Close the connections."""
