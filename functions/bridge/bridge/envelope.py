"""The form of an event in the event queue: nearly raw, because only the events function interprets events.

    {"headers": {"ce-id": "1", "content-type": "application/json"}, "data": "…"}      the payload as text, or
    {"headers": {…}, "dataBase64": "…"}                                               where it is not UTF-8

Header names are in lower case. Written in ASCII, because SQS refuses some characters that JSON has.
"""

import base64
import json
from collections.abc import Mapping

MAX_BYTES = 262_144
"""What SQS takes in one message, and in one request, in every region and emulator
(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html)."""


def envelope(headers: Mapping[str, str] | None, payload: bytes) -> str:
    """The text that carries an event; its length is its size in bytes."""
    kept = {name.lower(): value for name, value in (headers or {}).items() if is_about_the_event(name.lower())}
    try:
        data = {"data": payload.decode("utf-8")}
    except UnicodeDecodeError:
        data = {"dataBase64": base64.b64encode(payload).decode("ascii")}
    return json.dumps({"headers": kept, **data}, separators=(",", ":"))


def is_about_the_event(name: str) -> bool:
    """Whether a header, by its name in lower case, travels with its event."""
    return name == "content-type" or name.startswith("ce-")
