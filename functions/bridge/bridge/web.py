"""The bridge's HTTP interface.

- `/live`: 200 as long as the process works;
- `/health`: 200 while NATS delivers and the event queue takes events, 503 with the reason while not;
- `/metrics`: for Prometheus.
"""

from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from bridge.metrics import CONTENT_TYPE_LATEST, Metrics


@dataclass(frozen=True, kw_only=True, slots=True)
class Health:
    """The state of the bridge."""

    nats_fault: str | None
    queue_fault: str | None
    buffered: int

    @property
    def is_good(self) -> bool:
        """Whether events can arrive and be sent on."""
        return self.nats_fault is None and self.queue_fault is None


def application(health: Callable[[], Health], metrics: Metrics) -> web.Application:
    """The three routes as a web application."""

    async def live(_: web.Request) -> web.Response:
        return web.json_response({"service": "bridge", "status": "up"})

    async def show_health(_: web.Request) -> web.Response:
        now = health()
        body = {
            "service": "bridge",
            "status": "up" if now.is_good else "down",
            "nats": {"delivers": now.nats_fault is None, "fault": now.nats_fault},
            "queue": {"takes": now.queue_fault is None, "fault": now.queue_fault},
            "buffered": now.buffered,
        }
        return web.json_response(body, status=200 if now.is_good else 503)

    async def show_metrics(_: web.Request) -> web.Response:
        return web.Response(body=metrics.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    routes = web.Application()
    routes.router.add_get("/live", live)
    routes.router.add_get("/health", show_health)
    routes.router.add_get("/metrics", show_metrics)
    return routes
