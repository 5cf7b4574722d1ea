"""The connection to NATS: made again, as long as the bridge runs, each time the server goes away."""

import asyncio
import logging
import ssl
from contextlib import suppress
from typing import Any

import nats.errors
import nats.js.errors
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from bridge.buffer import Delivery
from bridge.client import BadHeaders, DescribedError, EventClient, ReadLoopEndedError
from bridge.envelope import envelope
from bridge.forwarder import Forwarder
from bridge.jetstream import (
    CHECK_TIMEOUT_SECONDS,
    Consumer,
    JetStreamDelivery,
    NothingArrivesError,
    WrongConsumerError,
    check_consumer,
    consumer_of,
)
from bridge.metrics import BUFFER_FULL, Metrics
from bridge.settings import NatsSettings

log = logging.getLogger("bridge")

RECONNECT_SECONDS = 1
CHECK_SECONDS = 5.0
FLUSH_SECONDS = 2
_FAULTS = (nats.errors.Error, OSError)
"""The faults of networks and servers; TimeoutError is an OSError."""


class CoreDelivery:
    """Delivered by core NATS, which has forgotten the event since."""

    async def accept(self) -> None:
        """Core NATS is told nothing."""

    async def give_back(self, seconds: float) -> bool:
        """Impossible."""
        return False

    async def drop(self) -> None:
        """Core NATS is told nothing."""


CORE = CoreDelivery()


class NotPermittedError(DescribedError):
    """The server does not let this user listen to the subject."""


class Source:
    """Receives the events of a NATS subject, and hands each to the forwarder."""

    def __init__(self, settings: NatsSettings, forwarder: Forwarder, metrics: Metrics) -> None:
        self._settings = settings
        self._forwarder = forwarder
        self._metrics = metrics
        self._client: EventClient | None = None
        self._subscription: Subscription | None = None
        self._consumer: Consumer | None = None
        """JetStream's; None: core NATS."""
        self._changed = asyncio.Event()
        """Set when the connection is closed or made again, so that it is checked at once."""
        self._is_denied = False
        self._is_stopping = False
        self.fault: str | None = "not connected yet"
        """Why NATS does not deliver; None where it does. Without addresses."""

    async def run(self) -> None:
        """Stay connected until cancelled."""
        while True:
            client = EventClient()
            try:
                await self._connect(client)
                while not client.is_closed:
                    self._changed.clear()
                    await self._check(client)
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._changed.wait(), CHECK_SECONDS)
            except _FAULTS as error:
                self._note(error)
            finally:
                # The client may be half connected, or connected to a server that has stopped reading.
                with suppress(*_FAULTS):
                    async with asyncio.timeout(CHECK_SECONDS):
                        await client.close()
            await asyncio.sleep(RECONNECT_SECONDS)

    async def stop(self) -> None:
        """Take only the events that NATS has already sent, and no more."""
        self._is_stopping = True
        client, subscription = self._client, self._subscription
        if client is not None and subscription is not None and client.is_connected:
            with suppress(*_FAULTS):
                await subscription.drain()  # type: ignore[no-untyped-call]

    async def flush(self) -> None:
        """Return when NATS has the acknowledgements that were sent."""
        if self._client is not None and self._client.is_connected:
            with suppress(*_FAULTS):
                await self._client.flush(FLUSH_SECONDS)

    async def _connect(self, client: EventClient) -> None:
        self._is_denied = False

        async def on_close() -> None:
            await on_disconnect()
            self._changed.set()

        async def on_disconnect() -> None:
            # A fault that is known already says why.
            if self.fault is None:
                self._note(client.last_error or nats.errors.ConnectionClosedError())

        async def on_reconnect() -> None:
            self._metrics.connects.inc()
            self._changed.set()

        await client.connect(
            **_options(self._settings),
            error_cb=self._on_error,
            closed_cb=on_close,
            disconnected_cb=on_disconnect,
            reconnected_cb=on_reconnect,
        )
        self._metrics.connects.inc()
        if self._settings.stream is None:
            consumer = None
            subject, group = self._settings.subject, self._settings.queue_group
        else:
            consumer = await consumer_of(client, self._settings)
            subject, group = consumer.deliver_subject, consumer.deliver_group
        subscription = await client.subscribe(subject, queue=group, cb=self._receive)
        await client.flush()
        self._client, self._subscription, self._consumer = client, subscription, consumer

    async def _check(self, client: EventClient) -> None:
        """Ask the server whether events can arrive: it does not tell subscribers that a consumer is changed or deleted.

        Raises the faults that a new connection may mend.
        """
        if self._is_denied:
            # A refused subscription is an error message on the side, after which nothing comes.
            raise NotPermittedError
        if self._is_stopping or not client.is_connected:
            return
        try:
            if self._consumer is None:
                await client.check(CHECK_TIMEOUT_SECONDS)
            else:
                await check_consumer(client, self._settings, self._consumer)
        except (nats.js.errors.NotFoundError, WrongConsumerError, ReadLoopEndedError, TimeoutError):
            raise
        except _FAULTS as error:
            self._note(error)
        else:
            if client.is_connected:
                self._note(None)

    async def _receive(self, message: Msg) -> None:
        delivery: Delivery = CORE if self._settings.stream is None else JetStreamDelivery(message)
        if isinstance(message.headers, BadHeaders):
            await self._forwarder.refuse(delivery, message.headers.fault)
        else:
            await self._forwarder.receive(envelope(message.headers, message.data), delivery)

    async def _on_error(self, error: Exception) -> None:
        if isinstance(error, nats.errors.SlowConsumerError):
            self._metrics.dropped.labels(BUFFER_FULL).inc()
            log.error("event dropped", extra={"action": "drop", "reason": BUFFER_FULL})
        elif "permissions violation for subscription" in str(error).lower():
            self._is_denied = True
            self._note(NotPermittedError())
        elif self._client is not None and self._client.is_connected:
            log.warning("NATS: %s", error, extra={"action": "receive", "kind": type(error).__name__})
        else:
            self._note(error)

    def _note(self, error: Exception | None) -> None:
        fault = None if error is None else _name(error)
        if fault == self.fault:
            return
        self.fault = fault
        if error is None:
            log.info("NATS delivers", extra={"action": "connect"})
        else:
            log.warning("NATS: %s", error, extra={"action": "connect", "kind": fault})


def _name(error: Exception) -> str:
    """The name of a fault: the error's class, also where the client only repeats the server's words for it.

    A wrong setting is described in full.
    """
    if isinstance(error, NothingArrivesError):
        return f"{type(error).__name__}: {error}"
    if type(error) is nats.errors.Error and "authorization violation" in str(error).lower():
        return nats.errors.AuthorizationError.__name__
    return type(error).__name__


def _options(settings: NatsSettings) -> dict[str, Any]:
    options: dict[str, Any] = {
        "servers": list(settings.servers),
        "name": "task-service-bridge",
        "max_reconnect_attempts": -1,
        "reconnect_time_wait": RECONNECT_SECONDS,
        # How long a server may be silent before it counts as gone.
        "ping_interval": 10,
        "max_outstanding_pings": 2,
        "user": settings.user,
        "password": settings.password,
        "token": settings.token,
        "user_credentials": settings.credentials_file,
    }
    if settings.tls_ca or settings.tls_certificate or any(server.startswith("tls:") for server in settings.servers):
        options["tls"] = _tls(settings)
    return options


def _tls(settings: NatsSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=settings.tls_ca)
    if settings.tls_certificate is not None:
        context.load_cert_chain(settings.tls_certificate, settings.tls_key)
    return context
