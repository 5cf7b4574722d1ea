"""The demo target: an HTTP server for tasks to call, offline, with the faults that targets have.

- `/hello`, or any other path: an echo of method, path, query, headers and body, as JSON;
- `/delay?seconds=1.5`: the echo, late;
- `/status/{code}`: the echo, with this status (and `Retry-After`, when `?retry-after=` gives it);
- `/flaky?failures=2&key=a`: 503 for the first calls of each key, then the echo with the number of calls;
- `/text`, `/html`, `/empty`: answers that are not JSON.
"""

import asyncio
import json
from collections import Counter
from typing import Any

from aiohttp import web

from local.patience import read_body

MAX_BODY_BYTES = 16 * 1024 * 1024
CALLS = web.AppKey("calls", Counter[str])


def target() -> web.Application:
    """The demo target as a web application."""
    application = web.Application(client_max_size=MAX_BODY_BYTES)
    application[CALLS] = Counter()
    application.router.add_route("*", "/delay", _delay)
    application.router.add_route("*", "/status/{code:[2-5][0-9][0-9]}", _status)
    application.router.add_route("*", "/flaky", _flaky)
    application.router.add_route("*", "/text", _text)
    application.router.add_route("*", "/html", _html)
    application.router.add_route("*", "/empty", _empty)
    application.router.add_route("*", "/{path:.*}", _echo)
    return application


async def _echo(request: web.Request) -> web.Response:
    return web.json_response(await _seen(request))


async def _delay(request: web.Request) -> web.Response:
    seen = await _seen(request)
    await asyncio.sleep(_number(request, "seconds", 1.0))
    return web.json_response(seen)


async def _status(request: web.Request) -> web.Response:
    status = int(request.match_info["code"])
    headers = {"Retry-After": after} if (after := request.query.get("retry-after")) else {}
    if status in (204, 304):
        return web.Response(status=status, headers=headers)
    return web.json_response(await _seen(request), status=status, headers=headers)


async def _flaky(request: web.Request) -> web.Response:
    calls, key = request.app[CALLS], request.query.get("key", "")
    calls[key] += 1
    seen = {**await _seen(request), "calls": calls[key]}
    return web.json_response(seen, status=503 if calls[key] <= _number(request, "failures", 1) else 200)


async def _text(_: web.Request) -> web.Response:
    return web.Response(text="hello")


async def _html(_: web.Request) -> web.Response:
    return web.Response(text="<!doctype html><p>hello</p>", content_type="text/html")


async def _empty(_: web.Request) -> web.Response:
    return web.Response()


async def _seen(request: web.Request) -> dict[str, Any]:
    """The request as its target sees it."""
    try:
        text = (await read_body(request)).decode("utf-8", "replace")
    except TimeoutError:
        raise web.HTTPRequestTimeout from None
    try:
        body = json.loads(text)
    except ValueError:
        body = text or None
    return {
        "method": request.method,
        "path": request.path,
        "query": dict(request.query),
        "headers": dict(request.headers),
        "body": body,
    }


def _number(request: web.Request, name: str, default: float) -> float:
    value = request.query.get(name)
    try:
        number = default if value is None else float(value)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise web.HTTPBadRequest(text=f"{name} is no number that can be waited for or counted to: {value}")
    return number
