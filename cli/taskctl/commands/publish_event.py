"""taskctl publish-event: publishes an event as the cache service does."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from uuid import uuid4

import typer
from rich.text import Text

from taskctl.command import Session
from taskctl.errors import NoAnswer, WrongUse
from taskctl.hostile import plain, without_credentials

LOCAL_NATS: Final = "nats://127.0.0.1:4222"
_TIMEOUT_SECONDS: Final = 5


def publish_event(
    session: Session,
    entry: Annotated[
        str, typer.Argument(metavar="KEY[,NAMESPACE[,SCOPE]]", help="The entry that was set in the cache.")
    ],
    nats: Annotated[
        str | None, typer.Option(help="The NATS server; else NATS_ADDR, the profile, or that of make run.")
    ] = None,
    subject: Annotated[
        str | None, typer.Option(help="The NATS subject; else NATS_SUBJECT, the profile, or external.")
    ] = None,
) -> None:
    """Publish an event as the cache service does, for event tasks to wait for."""
    event = cache_event(entry)
    server = nats or session.server.connection.nats or LOCAL_NATS
    subject = subject or session.server.connection.subject
    _publish(server, subject, json.dumps(event).encode())
    line = Text(f"{plain(event['id'])}  published to {plain(subject)}")
    session.screen.show({"subject": subject, "event": event}, line)


def cache_event(entry: str) -> dict[str, Any]:
    """The event about an entry of the cache. Raises WrongUse."""
    if not entry.partition(",")[0] or entry.count(",") > 2:
        raise WrongUse(f"{plain(entry)} is no entry", "write key, key,namespace or key,namespace,scope")
    return {
        "specversion": "1.0",
        "id": str(uuid4()),
        "source": "cache",
        "type": "cache_set_event",
        "datacontenttype": "application/json",
        "time": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "data": {"key": entry},
    }


def _publish(server: str, subject: str, payload: bytes) -> None:
    """Publish; returns when the server has the message. Raises NoAnswer, WrongUse."""
    try:
        import nats.errors
    except ImportError:
        raise WrongUse(
            "publishing needs the package nats-py, which is not installed", "run pip install nats-py"
        ) from None
    shown = plain(without_credentials(server))
    try:
        asyncio.run(_send(server, subject, payload))
    except (nats.errors.Error, OSError, ValueError) as error:
        # What the library says may quote the address, and with it a password.
        raise NoAnswer(
            f"NATS does not take the event at {shown} ({type(error).__name__})",
            "name the server with --nats or NATS_ADDR",
        ) from None


async def _send(server: str, subject: str, payload: bytes) -> None:
    import nats

    client = await nats.connect(
        server,
        allow_reconnect=False,
        max_reconnect_attempts=1,
        reconnect_time_wait=0,
        connect_timeout=_TIMEOUT_SECONDS,
        error_cb=_keep_quiet,
    )
    try:
        await client.publish(subject, payload)
        await client.flush(_TIMEOUT_SECONDS)
    finally:
        await client.close()


async def _keep_quiet(_: Exception) -> None:
    """The same error is raised; the library's own callback would print its trace as well."""
