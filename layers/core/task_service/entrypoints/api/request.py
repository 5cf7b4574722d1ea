"""Reading API Gateway's proxy events."""

import base64
import binascii
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import quote, unquote

from task_service.domain.errors import BadRequest
from task_service.domain.template import CACHE_NAME_RULE, is_cache_name

Event = Mapping[str, Any]

_REPLACEMENT: Final = "\ufffd"
_SEGMENT: Final = "-._~!$&'()*+,;=:@%"
"""What a path segment holds without being percent-encoded (RFC 3986, 3.3), and the percent sign of what is."""


def routed(event: Event) -> dict[str, Any]:
    """The event with a path that the resolver can match.

    REST APIs pass the path on percent-encoded, as it was sent, but under a custom domain with the base path in front
    and, for names that a client has not encoded, with characters that the resolver does not know. The resource says
    which route API Gateway has matched; its parameters, encoded, make the path.
    """
    path = str(event.get("resource") or "")
    sent = str(event.get("path") or "")
    if sent.endswith("/") or "//" in sent:
        # API Gateway matches these like the paths without; they name no resource here.
        return {**event, "path": "/", "resource": ""}
    for name, value in (event.get("pathParameters") or {}).items():
        path = path.replace(f"{{{name}}}", quote(value, safe=_SEGMENT))
    return {**event, "path": path}


def decoded(segment: str) -> str:
    """A path parameter, decoded once. Raises BadRequest where it is not UTF-8."""
    try:
        return unquote(segment, errors="strict")
    except UnicodeDecodeError:
        raise BadRequest("the name in the path is not valid UTF-8") from None


def joined(segments: Mapping[str, str]) -> str:
    """The name that path parameters make together, each decoded once. Raises BadRequest.

    Where there are several, none can be empty or hold a slash: two names would be the same.
    """
    parts = {name: decoded(segment) for name, segment in segments.items()}
    if len(parts) > 1:
        for name, part in parts.items():
            if not part.strip() or "/" in part:
                raise BadRequest(f"{name}: a name without slashes is expected in the path, not {part!r}")
    return "/".join(parts.values())


def payload(event: Event) -> str:
    """The body as text. Raises BadRequest where it is not UTF-8."""
    body = event.get("body") or ""
    if event.get("isBase64Encoded"):
        try:
            return base64.b64decode(body, validate=True).decode("utf-8")
        except (UnicodeDecodeError, binascii.Error) as error:
            raise BadRequest(f"payload is not valid UTF-8: {_where(error)}") from None
    text = str(body)
    position = text.find(_REPLACEMENT)
    if position >= 0:
        # API Gateway hands over text, with this character in the place of every byte that was none.
        raise BadRequest(
            f"payload is not valid UTF-8 at character {position}"
            r" (the character U+FFFD itself can be sent as the escape \ufffd)"
        )
    return text


def header(event: Event, name: str) -> str | None:
    """A header by its name in any case, None where it is not sent."""
    wanted = name.lower()
    for key, value in (event.get("headers") or {}).items():
        if key.lower() == wanted:
            return str(value)
    return None


def joined_header(event: Event, name: str) -> str | None:
    """A header as one text, however many lines it was sent in (RFC 9110, 5.3), None where it is not sent."""
    wanted = name.lower()
    lines = [
        str(line)
        for key, values in (event.get("multiValueHeaders") or {}).items()
        if key.lower() == wanted
        for line in values
    ]
    return ", ".join(lines) if lines else header(event, name)


def cache_name(event: Event, name: str) -> str:
    """A header that holds a namespace or scope of the cache service, empty where it is not sent. Raises BadRequest."""
    # Spaces around a header's value are no part of it (RFC 9110, 5.5).
    text = (header(event, name) or "").strip(" \t")
    if not is_cache_name(text):
        raise BadRequest(f"{name}: {CACHE_NAME_RULE}")
    return text


def query_names(event: Event) -> Iterable[str]:
    """The names of the query parameters that are sent."""
    return event.get("multiValueQueryStringParameters") or {}


def query(event: Event, name: str) -> str | None:
    """A query parameter, the last one where it is repeated, None where it is not sent."""
    values = (event.get("multiValueQueryStringParameters") or {}).get(name)
    return str(values[-1]) if values else None


def _where(error: Exception) -> str:
    return f"at byte {error.start}" if isinstance(error, UnicodeDecodeError) else "it is not Base64"
