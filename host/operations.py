"""What operators look at: the metrics of all processes and of the queues, and whether the host lives and works."""

import logging
import os
import socket
import struct
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST, ThreadingWSGIServer
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from host.settings import Settings, SettingsError
from task_service.adapters.postgres.queue_reader import QueueReader
from task_service.domain.errors import Unavailable
from task_service.wiring.postgres import PostgresPlatform

log: Final = logging.getLogger("task")

TRIES: Final = 5
BEING_MADE: Final = 0.5
"""Seconds in which a process writes into a file of metrics that it has made."""


class QueueDepths(Collector):
    """Depth and age of the queues, asked of the database when Prometheus asks."""

    def __init__(self, platform: PostgresPlatform) -> None:
        self._readers: dict[str, QueueReader] = {
            "tasks": platform.task_reader,
            "dead_letters": platform.dead_letter_reader,
            "events": platform.event_reader,
            "dead_events": platform.dead_event_reader,
            "unreadable": platform.unreadable_reader,
        }

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The metrics; if the database does not answer, `task_service_database_up` alone, which is 0."""
        waiting = GaugeMetricFamily(
            "task_service_queue_waiting", "Messages that a worker would receive now.", labels=["queue"]
        )
        hidden = GaugeMetricFamily(
            "task_service_queue_hidden", "Messages in a worker's hand, or due later.", labels=["queue"]
        )
        oldest = GaugeMetricFamily(
            "task_service_queue_oldest_seconds", "How long the oldest due message waits.", labels=["queue"]
        )
        up = GaugeMetricFamily("task_service_database_up", "1 while the database answers this host.")
        try:
            for name, reader in self._readers.items():
                depth = reader.depth()
                waiting.add_metric([name], depth.waiting)
                hidden.add_metric([name], depth.hidden)
                oldest.add_metric([name], depth.oldest.total_seconds())
        except Unavailable as error:
            log.warning(str(error), extra={"action": "measure"})
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield from (waiting, hidden, oldest, up)


class _ServerOfIPv6(ThreadingWSGIServer):
    address_family = socket.AF_INET6


class _Handler(WSGIRequestHandler):
    timeout = 10

    def log_message(self, format: str, *args: Any) -> None:
        """Write nothing: a scrape is no event."""


def serve(platform: PostgresPlatform, settings: Settings) -> WSGIServer | None:
    """Serve /metrics, /liveness and /readiness in a thread, unless METRICS_PORT is 0. Raises SettingsError."""
    if not settings.metrics_port:
        return None
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    registry.register(QueueDepths(platform))

    def application(environment: dict[str, Any], start: Any) -> Iterable[bytes]:
        path = environment.get("PATH_INFO")
        if path == "/metrics":
            start("200 OK", [("Content-Type", CONTENT_TYPE_LATEST)])
            return [_text(registry)]
        if path == "/liveness" or (path == "/readiness" and _is_ready(platform)):
            start("200 OK", [("Content-Type", "application/json")])
            return [b'{"status":"up"}']
        if path == "/readiness":
            start("503 Service Unavailable", [("Content-Type", "application/json")])
            return [b'{"status":"down"}']
        start("404 Not Found", [("Content-Type", "application/json")])
        return [b'{"message":"not found"}']

    try:
        server = make_server(
            settings.http_host,
            settings.metrics_port,
            application,
            server_class=_ServerOfIPv6 if ":" in settings.http_host else ThreadingWSGIServer,
            handler_class=_Handler,
        )
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise SettingsError(
            f"cannot listen on port {settings.metrics_port}: {reason}; METRICS_PORT chooses another"
        ) from error
    threading.Thread(target=server.serve_forever, name="operations", daemon=True).start()
    return server


def _text(registry: CollectorRegistry) -> bytes:
    """The metrics as Prometheus reads them."""
    for further in reversed(range(TRIES)):
        try:
            return generate_latest(registry)
        except struct.error:
            # A process was killed just before it wrote into its new file, or is about to.
            if not further:
                raise
            for path in Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]).glob("*.db"):
                with suppress(FileNotFoundError):
                    if not path.stat().st_size and time.time() - path.stat().st_mtime > BEING_MADE:
                        path.unlink()
            time.sleep(BEING_MADE / TRIES)
    raise AssertionError("the last try returns or raises")


def _is_ready(platform: PostgresPlatform) -> bool:
    try:
        platform.impatient().tasks.ping()
    except Unavailable as error:
        log.warning(str(error), extra={"action": "check readiness"})
        return False
    return True
