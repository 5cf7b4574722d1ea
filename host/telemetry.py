"""Metrics and logs of functions that share a process.

On Lambda a process has one invocation at a time: Powertools keeps metrics and the request's id in the process, and
writes metrics into the log. Here threads run handlers side by side, so metrics are Prometheus's, and the keys of a log
line belong to a thread. Every process of a host writes its metrics into a folder (PROMETHEUS_MULTIPROC_DIR), from which
the host's first process adds them up.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from aws_lambda_powertools.metrics import MetricUnit
from prometheus_client import Counter, Gauge, Histogram

from task_service.entrypoints import telemetry

COUNTERS: Final = {
    "Created": ("created", "Tasks that clients and events have created."),
    "ListsCreated": ("lists_created", "Task lists that clients have created."),
    "Done": ("done", "Tasks that have ended as done."),
    "Failed": ("failed", "Tasks that have ended as failed."),
    "Retried": ("retried", "Attempts that have failed and are repeated."),
    "Attempts": ("attempts", "Attempts of the tasks that have ended."),
}
"""Those that a dashboard needs from the start: of a counter that is not there yet, no rate can be told."""

SECONDS: Final = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 3_600)

POOL_SECONDS: Final = 2.0
"""How often a process tells about its pool of connections."""


class PrometheusMetrics:
    """Has as much of Powertools' Metrics as the functions use."""

    def __init__(self) -> None:
        self._making = threading.Lock()
        self._counters = {name: Counter(f"task_service_{key}", about) for name, (key, about) in COUNTERS.items()}
        self._create_to_done = Histogram(
            "task_service_create_to_done_seconds", "From a task's creation to its end.", buckets=SECONDS
        )

    def add_metric(self, name: str, unit: MetricUnit, value: float) -> None:
        """Count a number, or observe the one duration that there is."""
        if unit is MetricUnit.Milliseconds:
            # A creation and an end that the same moment rounds may be a millisecond apart, in either order.
            self._create_to_done.observe(max(value, 0) / 1_000)
        else:
            (self._counters.get(name) or self._made(name)).inc(value)

    def _made(self, name: str) -> Counter:
        # Prometheus refuses a second metric of a name, so two threads must not make it together.
        with self._making:
            if name not in self._counters:
                key = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")
                self._counters[name] = Counter(f"task_service_{key}", f"Counts {name} since the host's start.")
            return self._counters[name]


def install() -> None:
    """Let the functions of this process count and log here; before their modules are loaded."""
    telemetry.metrics = PrometheusMetrics()  # type: ignore[assignment]
    telemetry.observe = _observe


def watch_pool(stats: Callable[[], Mapping[str, int]]) -> None:
    """Tell, in a thread, how this process uses its connections to the database."""
    connections = Gauge(
        "task_service_pool_connections", "Open connections to the database.", ["state"], multiprocess_mode="livesum"
    )
    waiting = Gauge("task_service_pool_waiting", "Threads that wait for a connection.", multiprocess_mode="livesum")
    errors = Gauge(
        "task_service_pool_refusals",
        "Waits for a connection that have ended without one.",
        multiprocess_mode="livesum",
    )

    def watch() -> None:
        while True:
            seen = stats()
            idle = seen.get("pool_available", 0)
            connections.labels("idle").set(idle)
            connections.labels("used").set(seen.get("pool_size", 0) - idle)
            waiting.set(seen.get("requests_waiting", 0))
            errors.set(seen.get("requests_errors", 0))
            time.sleep(POOL_SECONDS)

    threading.Thread(target=watch, name="pool", daemon=True).start()


@contextmanager
def _observe(context: Any) -> Iterator[None]:
    """Observe an invocation beside others: the request's id is on the lines of its thread."""
    telemetry.logger.thread_safe_append_keys(request_id=context.aws_request_id)
    try:
        yield
    finally:
        telemetry.logger.thread_safe_clear_keys()
