"""API Gateway's part: finds the resource of a path, and makes the event of a request (payload format 1.0)."""

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
    segments = path.removesuffix("/").split("/")[1:]
    if segments[:1] and segments[0] in DOCS:
        folder, rest = f"/{segments[0]}", "/".join(segments[1:])
        parameters = {"proxy": rest} if rest else {}
        return Match(resource=f"{folder}/{{proxy+}}" if rest else folder, parameters=parameters, is_docs=True)
    for resource, parts in _RESOURCES.get(len(segments), ()):
        if all(segment and part in (segment, None) for part, segment in zip(parts, segments, strict=True)):
            names = resource.split("/")[1:]
            parameters = {
                name[1:-1]: segment for name, part, segment in zip(names, parts, segments, strict=True) if part is None
            }
            return Match(resource=resource, parameters=parameters)
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


def _by_length() -> dict[int, list[tuple[str, tuple[str | None, ...]]]]:
    """The resources by their number of segments, each with its parts, None where it names one."""
    resources: dict[int, list[tuple[str, tuple[str | None, ...]]]] = {}
    for resource in dict.fromkeys(route.resource for route in ROUTES):
        parts = tuple(None if part.startswith("{") else part for part in resource.split("/")[1:])
        resources.setdefault(len(parts), []).append((resource, parts))
    return resources


_RESOURCES: Final = _by_length()
