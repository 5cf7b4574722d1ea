"""Publishes an event as the cache service does: structured CloudEvents JSON, without headers, by core NATS."""

import asyncio
import json
from datetime import UTC, datetime
from uuid import uuid4

import nats
import nats.errors

from local.errors import LocalCloudError

TIMEOUT_SECONDS = 5


def cache_event(text: str) -> dict[str, object]:
    """The event that the cache service publishes when an entry is set.

    `text` is key[,namespace[,scope]], or a JSON object with these three.
    """
    if text.lstrip().startswith("{"):
        try:
            entry = json.loads(text)
            parts = [str(entry["key"]), str(entry.get("namespace") or ""), str(entry.get("scope") or "")]
        except (ValueError, KeyError):
            raise LocalCloudError('{"key": …, "namespace": …, "scope": …} is expected, the last two optional') from None
        text = ",".join(parts).rstrip(",")
    if not text:
        raise LocalCloudError("there is no key")
    return {
        "specversion": "1.0",
        "id": str(uuid4()),
        "source": "cache",
        "type": "cache_set_event",
        "datacontenttype": "application/json",
        "time": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "data": {"key": text},
    }


def publish(server: str, subject: str, event: dict[str, object]) -> None:
    """Publish the event; returns when the server has it."""
    try:
        asyncio.run(_publish(server, subject, json.dumps(event).encode()))
    except (nats.errors.Error, OSError) as error:
        raise LocalCloudError(
            f"NATS does not answer at {server}: {error}; `make run` starts one, and `make serve`"
        ) from error


async def _publish(server: str, subject: str, payload: bytes) -> None:
    client = await nats.connect(
        server,
        allow_reconnect=False,
        max_reconnect_attempts=1,
        reconnect_time_wait=0,
        connect_timeout=TIMEOUT_SECONDS,
        error_cb=_keep_quiet,
    )
    try:
        await client.publish(subject, payload)
        await client.flush(TIMEOUT_SECONDS)
    finally:
        await client.close()


async def _keep_quiet(error: Exception) -> None:
    """The same error is raised; the library's own callback would print its trace as well."""
