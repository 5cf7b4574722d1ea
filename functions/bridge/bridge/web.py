"""The bridge's HTTP interface.

- `/live`: 200 as long as the process works;
- `/health`: 200 while NATS delivers and the event queue takes events, 503 with the reason while not;
- `/metrics`: for Prometheus.
"""

from aiohttp import web
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from bridge.buffer import Buffer
from bridge.metrics import Metrics
from bridge.queue import EventQueue
from bridge.source import Source


def application(source: Source, buffer: Buffer, queue: EventQueue, metrics: Metrics) -> web.Application:
    """The three routes as a web application."""

    async def live(_: web.Request) -> web.Response:
        return web.json_response({"service": "bridge", "status": "up"})

    async def show_health(_: web.Request) -> web.Response:
        is_good = source.fault is None and queue.fault is None
        body = {
            "service": "bridge",
            "status": "up" if is_good else "down",
            "nats": {"delivers": source.fault is None, "fault": source.fault},
            "queue": {"takes": queue.fault is None, "fault": queue.fault},
            "buffered": len(buffer),
        }
        return web.json_response(body, status=200 if is_good else 503)

    async def show_metrics(_: web.Request) -> web.Response:
        return web.Response(body=metrics.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    routes = web.Application()
    routes.router.add_get("/live", live)
    routes.router.add_get("/health", show_health)
    routes.router.add_get("/metrics", show_metrics)
    return routes
