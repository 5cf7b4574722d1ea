"""The bridge as a program: `python -m bridge`, until SIGTERM or Ctrl-C.

Stopping takes no more events, sends what is there and acknowledges it, within BRIDGE_STOP_SECONDS.
"""

import asyncio
import logging
import os
import signal
import sys

from aiohttp import web
from prometheus_client import disable_created_metrics

from bridge.buffer import Buffer
from bridge.forwarder import Forwarder
from bridge.logs import write_logs
from bridge.metrics import Metrics
from bridge.queue import EventQueue
from bridge.settings import Settings, SettingsError
from bridge.source import Source
from bridge.web import application

log = logging.getLogger("bridge")


async def serve(settings: Settings) -> None:
    """Bridge until told to stop."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)

    metrics = Metrics()
    buffer = Buffer(max_events=settings.buffer_events, max_bytes=settings.buffer_bytes)
    queue = _queue(settings, metrics)
    forwarder = Forwarder(buffer, queue, metrics)
    source = Source(settings.nats, forwarder, metrics)
    metrics.watch(buffered=lambda: len(buffer), connected=lambda: source.fault is None)

    runner = web.AppRunner(application(source, buffer, queue, metrics), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, settings.host, settings.port).start()
    log.info("started", extra={"action": "start", "subject": settings.nats.subject, "stream": settings.nats.stream})

    receiving, sending = asyncio.create_task(source.run()), asyncio.create_task(forwarder.run())
    waiting = asyncio.create_task(stopping.wait())
    try:
        ended, _ = await asyncio.wait({receiving, sending, waiting}, return_when=asyncio.FIRST_COMPLETED)
        await _finish(settings, source, buffer)
        for task in ended - {waiting}:
            # Neither ends by itself; a fault of ours ends the program, so that it is started anew.
            task.result()
    finally:
        await _cancel(sending)
        await forwarder.give_up()
        await source.flush()
        await _cancel(receiving)
        await _cancel(waiting)
        await runner.cleanup()
        queue.close()
        log.info("stopped", extra={"action": "stop"})


def _queue(settings: Settings, metrics: Metrics) -> EventQueue:
    """The event queue: PostgreSQL's where there is a database, else SQS's. Each needs libraries of its own."""
    if settings.database_url:
        from bridge.postgres import PostgresEventQueue

        return PostgresEventQueue(settings.database_url, metrics)
    from bridge.sqs import SqsEventQueue

    return SqsEventQueue(settings.queue_url, metrics, region=settings.region)


async def _finish(settings: Settings, source: Source, buffer: Buffer) -> None:
    """Take what is on its way here, and send it."""
    try:
        async with asyncio.timeout(settings.stop_seconds):
            await source.stop()
            await buffer.empty()
    except TimeoutError:
        log.warning("the event queue does not take everything in time", extra={"action": "stop", "events": len(buffer)})


async def _cancel(task: "asyncio.Task[object]") -> None:
    task.cancel()
    await asyncio.wait({task})


def main() -> int:
    """Run the program; its exit code."""
    try:
        settings = Settings.from_environment(os.environ)
        write_logs(settings.log_level)
        # When a counter was made says nothing here, and doubles what is scraped.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        asyncio.run(serve(settings))
    except SettingsError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    code = main()
    logging.shutdown()
    # Python would wait for the threads, and a request that SQS does not answer takes longer than a stop may.
    os._exit(code)
