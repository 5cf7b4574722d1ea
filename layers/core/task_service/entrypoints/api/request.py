"""A request to the API, read from the event of a gateway. Only this module knows what such events look like.

API Gateway has two kinds of API, and each has its own events:

- a REST API (payload format 1.0) matches the route, and gives the path as it was sent;
- an HTTP API (payload format 2.0) gives every path that it has no route for to $default, and decodes it before.
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, quote, unquote

from task_service.domain.errors import BadRequest
from task_service.entrypoints.api import routes

if TYPE_CHECKING:
    from task_service.domain.identity import Caller

GatewayEvent = Mapping[str, Any]
"""API Gateway's event for a proxy integration of a REST API or an HTTP API."""

DEFAULT: Final = "$default"
"""An HTTP API's name for the route that takes what no other one does, and for the stage that no path names."""

_REPLACEMENT: Final = "\ufffd"


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """A request. What the client can get wrong is decoded when a handler asks for it, so that other checks go first."""

    method: str
    resource: str
    """The route that the path matches, as it stands in template.yaml."""
    path: str
    """The path: from a REST API as it was sent, with the base path of a custom domain; from an HTTP API decoded."""
    segments: Mapping[str, str]
    """The parts of the path that the resource names, percent-encoded."""
    query: Mapping[str, str]
    """The query parameters, of one that is repeated the last value."""
    headers: Mapping[str, str]
    """The headers by their names in lower case, each as one text (RFC 9110, 5.3)."""
    body: str
    is_base64: bool
    """Whether the body is Base64 of what the client sent."""
    remaining_time: Callable[[], timedelta]
    """Asks how long the function may still run."""
    is_http_api: bool = False
    """Whether an HTTP API sent the event, and gets the response."""
    caller: "Caller | None" = None
    """The caller who sent the request; None where authentication is off or not needed."""

    @classmethod
    def from_event(cls, event: GatewayEvent, context: Any) -> "Request":
        """The request in a gateway's event; `context` is Lambda's."""
        read = _of_http_api if event.get("version") == "2.0" else _of_rest_api
        return cls(
            body=str(event.get("body") or ""),
            is_base64=bool(event.get("isBase64Encoded")),
            remaining_time=lambda: timedelta(milliseconds=context.get_remaining_time_in_millis()),
            **read(event),
        )

    @property
    def caller_name(self) -> str | None:
        """The name of the caller, as records and logs have it; None where it is not known."""
        return self.caller.name if self.caller is not None else None

    @property
    def has_stray_slash(self) -> bool:
        """Whether the path has a slash too many. API Gateway matches it all the same; it names no resource here."""
        return self.path.endswith("/") or "//" in self.path

    def header(self, name: str) -> str | None:
        """A header by its name in any case; None if it is not sent."""
        return self.headers.get(name.lower())

    def segment(self, name: str) -> str:
        """A part of the path, decoded once. Raises BadRequest if it is not UTF-8."""
        try:
            return unquote(self.segments[name], errors="strict")
        except UnicodeDecodeError:
            raise BadRequest("the name in the path is not valid UTF-8") from None

    def payload(self) -> str:
        """The body as text. Raises BadRequest if it is not UTF-8."""
        if self.is_base64:
            try:
                return base64.b64decode(self.body, validate=True).decode("utf-8")
            except UnicodeDecodeError as error:
                raise BadRequest(f"payload is not valid UTF-8: at byte {error.start}") from None
            except ValueError:
                raise BadRequest("payload is not valid UTF-8: it is not Base64") from None
        position = self.body.find(_REPLACEMENT)
        if position >= 0:
            # API Gateway hands over text, in which this character stands for every byte that is not UTF-8.
            raise BadRequest(
                f"payload is not valid UTF-8 at character {position}"
                r" (the character U+FFFD itself can be sent as the escape \ufffd)"
            )
        return self.body


def _of_rest_api(event: GatewayEvent) -> dict[str, Any]:
    values = event.get("multiValueQueryStringParameters") or {}
    return {
        "method": event["httpMethod"],
        "resource": str(event.get("resource") or ""),
        "path": str(event.get("path") or ""),
        "segments": event.get("pathParameters") or {},
        "query": {name: str(several[-1]) for name, several in values.items() if several},
        "headers": _headers(event),
    }


def _of_http_api(event: GatewayEvent) -> dict[str, Any]:
    about = event["requestContext"]
    path = str(event["rawPath"])
    if (stage := about.get("stage", DEFAULT)) != DEFAULT:
        path = path.removeprefix(f"/{stage}")
    method_and_resource = str(event["routeKey"])
    if method_and_resource == DEFAULT:
        resource, decoded = routes.match(path)
    else:
        resource, decoded = method_and_resource.partition(" ")[2], event.get("pathParameters") or {}
    headers = {name.lower(): str(value) for name, value in (event.get("headers") or {}).items()}
    if cookies := event.get("cookies"):
        headers["cookie"] = "; ".join(cookies)
    return {
        "method": about["http"]["method"],
        "resource": resource,
        "path": path,
        "segments": {name: quote(part, safe="") for name, part in decoded.items()},
        # queryStringParameters joins repeated values with commas, which values can have too.
        "query": dict(parse_qsl(event.get("rawQueryString") or "", keep_blank_values=True)),
        "headers": headers,
        "is_http_api": True,
    }


def _headers(event: GatewayEvent) -> dict[str, str]:
    # API Gateway sends each header in both; what calls the function directly may send one of them.
    lines: dict[str, list[str]] = {}
    for name, values in (event.get("multiValueHeaders") or {}).items():
        lines.setdefault(name.lower(), []).extend(map(str, values))
    joined = {name.lower(): str(value) for name, value in (event.get("headers") or {}).items()}
    return joined | {name: ", ".join(values) for name, values in lines.items()}
