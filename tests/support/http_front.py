"""An HTTP server that is to a function what an HTTP API of API Gateway is: it calls it with events of its payload 2.0.

Emulators have REST APIs only. So this does what AWS documents of the gateway, and the function is the built one.
"""

import base64
import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Any, Final
from urllib.parse import parse_qs

from tests.support.gateway import headers_of, of_http_api
from tests.support.serving import Serving

Function = Callable[[dict[str, Any]], dict[str, Any]]

LARGEST_EVENT: Final = 6_291_556
"""Bytes of an event; Lambda takes no more (6 MB)."""
TEXT: Final = ("text/", "application/json", "application/javascript", "application/xml")
"""Types whose bodies are handed on as text; others as Base64."""


class HttpFront(Serving):
    """Serves a function on a port of its own."""

    def __init__(self, function: Function) -> None:
        super().__init__(_Server(function))


class _Server(ThreadingHTTPServer):
    request_queue_size = 64

    def __init__(self, function: Function) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.function = function
        # An instance of a function takes one event after the other.
        self.calls = Lock()


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body are two packets, and the second one would wait for the client's delayed acknowledgement.
    disable_nagle_algorithm = True
    server: _Server

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        event = of_http_api(self._event(body))
        if len(json.dumps(event, ensure_ascii=False).encode()) > LARGEST_EVENT:
            return self._send(413, {"content-type": "application/json"}, b'{"message":"Request Entity Too Large"}')
        with self.server.calls:
            response = self.server.function(event)
        return self._send(response["statusCode"], headers_of(response), response["body"].encode())

    do_GET = do_HEAD = do_OPTIONS = do_POST = do_PUT = do_PATCH = do_DELETE = _answer

    def _event(self, body: bytes) -> dict[str, Any]:
        # In `path`, two slashes at the beginning would be one.
        path, _, query = self.requestline.split(" ")[1].partition("?")
        is_text = self.headers.get("Content-Type", "text/plain").lower().startswith(TEXT)
        return {
            "httpMethod": self.command,
            "path": path,
            "multiValueQueryStringParameters": parse_qs(query, keep_blank_values=True),
            "multiValueHeaders": {name: self.headers.get_all(name) for name in self.headers},
            "body": (body.decode(errors="replace") if is_text else base64.b64encode(body).decode()) if body else None,
            "isBase64Encoded": bool(body) and not is_text,
        }

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status not in (204, 304):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD" and status not in (204, 304):
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
