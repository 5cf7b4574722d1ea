"""The bridge's metrics, for Prometheus."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

BUFFER_FULL = "buffer_full"
"""Core NATS only: while the queue took no messages, more events came than the buffer holds."""
TOO_LARGE = "too_large"
MALFORMED = "malformed"
"""The message's header block breaks the rules of NATS."""
REFUSED = "refused_by_queue"
STOPPED = "stopped"
"""Core NATS only: the bridge had to stop while the queue took no messages."""


class Metrics:
    """The metrics of one bridge."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.received = Counter("bridge_events_received", "Events that NATS delivered", registry=self.registry)
        self.sent = Counter("bridge_events_sent", "Events that the event queue has", registry=self.registry)
        self.dropped = Counter("bridge_events_dropped", "Events that were lost", ["reason"], registry=self.registry)
        for reason in (BUFFER_FULL, MALFORMED, TOO_LARGE, REFUSED, STOPPED):
            # A reason that has not occurred yet is shown as zero.
            self.dropped.labels(reason)
        self.given_back = Counter(
            "bridge_events_given_back", "Events that JetStream is to deliver again", registry=self.registry
        )
        self.queue_errors = Counter(
            "bridge_queue_errors", "Refused requests and entries", ["code"], registry=self.registry
        )
        self.send_seconds = Histogram(
            "bridge_queue_send_seconds", "Time of a request to the event queue", registry=self.registry
        )
        self.connects = Counter("bridge_nats_connects", "Connections made to NATS", registry=self.registry)
        self._buffered = Gauge(
            "bridge_events_buffered", "Events that the event queue does not have yet", registry=self.registry
        )
        self._connected = Gauge("bridge_nats_connected", "Whether NATS delivers", registry=self.registry)

    def watch(self, *, buffered: Callable[[], float], connected: Callable[[], bool]) -> None:
        """Read these two whenever the metrics are read."""
        self._buffered.set_function(buffered)
        self._connected.set_function(connected)

    def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self.registry)
