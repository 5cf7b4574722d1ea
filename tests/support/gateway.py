"""The same request as each kind of API sends it to a function, and its response as the client gets it."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final
from urllib.parse import quote, unquote, urlencode

Event = dict[str, Any]

DOCS: Final = ("/swagger-ui", "/status")
"""The parts of the path that lead to the docs function."""


def of_rest_api(event: Event) -> Event:
    """The event of a REST API (payload format 1.0) as it is."""
    return event


def of_http_api(event: Event, stage: str = "$default") -> Event:
    """The event of an HTTP API (payload format 2.0) for the request of a REST API's event.

    Such an API decodes the path before it looks for the route, and joins the lines of a header with commas.
    """
    path = unquote(event["path"])
    pairs = [
        (name, value)
        for name, values in (event.get("multiValueQueryStringParameters") or {}).items()
        for value in values
    ]
    route, parameters = _docs_route(path)
    headers = {name.lower(): str(value) for name, value in (event.get("headers") or {}).items()}
    for name, several in _lines(event.get("multiValueHeaders") or {}):
        headers[name] = ",".join(several)
    made: Event = {
        "version": "2.0",
        "routeKey": route,
        "rawPath": path if stage == "$default" else f"/{stage}{path}",
        "rawQueryString": urlencode(pairs, quote_via=quote),
        "headers": headers,
        "requestContext": {
            "http": {"method": event["httpMethod"], "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1"},
            "requestId": "r",
            "routeKey": route,
            "stage": stage,
        },
        "isBase64Encoded": event.get("isBase64Encoded", False),
    }
    # An HTTP API leaves out what there is not.
    if cookie := headers.pop("cookie", ""):
        made["cookies"] = cookie.split("; ")
    if pairs:
        made["queryStringParameters"] = {name: ",".join(v for n, v in pairs if n == name) for name, _ in pairs}
    if parameters:
        made["pathParameters"] = parameters
    if (body := event.get("body")) is not None:
        made["body"] = body
    return made


GATEWAYS: Final[Mapping[str, Callable[[Event], Event]]] = {"REST": of_rest_api, "HTTP": of_http_api}


def headers_of(response: Mapping[str, Any]) -> dict[str, str]:
    """The headers of a function's response, of which each has one value."""
    if "headers" in response:
        return dict(response["headers"])
    return {name: value for name, [value] in response["multiValueHeaders"].items()}


def _docs_route(path: str) -> tuple[str, dict[str, str]]:
    for folder in DOCS:
        if path in (folder, f"{folder}/"):
            return f"ANY {path}", {}
        if path.startswith(f"{folder}/"):
            return f"ANY {folder}/{{proxy+}}", {"proxy": path.removeprefix(f"{folder}/")}
    return "$default", {}


def _lines(headers: Mapping[str, Iterable[str]]) -> Iterable[tuple[str, list[str]]]:
    """The lines of each header, by its name in lower case."""
    lines: dict[str, list[str]] = {}
    for name, values in headers.items():
        lines.setdefault(name.lower(), []).extend(values)
    return lines.items()
