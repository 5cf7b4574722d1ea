"""API Gateway's part: finds the resource of a path, and makes the event of a request (payload format 1.0)."""

import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from task_service.entrypoints.api.routes import ROUTES

DOCS: Final = ("swagger-ui", "status")
"""First segments of the paths that the docs function answers."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Match:
    """The resource of a path, and the parts of the path that it names."""

    resource: str
    """Empty if there is none: the API answers 404 then."""
    parameters: Mapping[str, str]
    is_docs: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Received:
    """A request as the server has received it."""

    method: str
    target: str
    """The request's target (RFC 9112, 3.2), as it was sent."""
    headers: Iterable[tuple[str, str]]
    body: bytes
    source_ip: str


def path_of(target: str) -> tuple[str, str]:
    """Path and query of a request's target, both as they were sent."""
    if not target.startswith("/"):
        parts = urlsplit(target)
        return parts.path or "/", parts.query
    path, _, query = target.partition("?")
    return path, query


def match(path: str) -> Match:
    """The resource of a path. Like API Gateway's, it ignores one slash at the end; the API does not."""
    path = path.removesuffix("/")
    folder, _, rest = path.removeprefix("/").partition("/")
    if folder in DOCS:
        if rest:
            return Match(resource=f"/{folder}/{{proxy+}}", parameters={"proxy": rest}, is_docs=True)
        return Match(resource=f"/{folder}", parameters={}, is_docs=True)
    for resource, pattern in _PATTERNS.items():
        if found := pattern.fullmatch(path):
            return Match(resource=resource, parameters=found.groupdict())
    return Match(resource="", parameters={})


def event_of(received: Received, matched: Match, request_id: str) -> dict[str, Any]:
    """API Gateway's event."""
    path, query = path_of(received.target)
    headers: dict[str, list[str]] = {}
    for name, value in received.headers:
        headers.setdefault(name, []).append(value)
    queries: dict[str, list[str]] = {}
    for name, value in parse_qsl(query, keep_blank_values=True, errors="replace"):
        queries.setdefault(name, []).append(value)
    return {
        "resource": matched.resource,
        "path": path,
        "httpMethod": received.method,
        "headers": {name: values[-1] for name, values in headers.items()},
        "multiValueHeaders": headers,
        "queryStringParameters": {name: values[-1] for name, values in queries.items()} or None,
        "multiValueQueryStringParameters": queries or None,
        "pathParameters": dict(matched.parameters) or None,
        "stageVariables": None,
        "requestContext": {
            "resourcePath": matched.resource,
            "httpMethod": received.method,
            "path": path,
            "protocol": "HTTP/1.1",
            "requestId": request_id,
            "requestTimeEpoch": round(time.time() * 1_000),
            "identity": {"sourceIp": received.source_ip, "userAgent": headers.get("User-Agent", [None])[-1]},
        },
        # As API Gateway hands it over: what is not UTF-8 becomes U+FFFD, which the API refuses by name.
        "body": received.body.decode("utf-8", "replace") or None,
        "isBase64Encoded": False,
    }


_PATTERNS: Final = {
    route.resource: re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", route.resource)) for route in ROUTES
}
"""The paths of each resource."""
