"""One small HTTP endpoint of the operator's own: where keys or tokens are, asked rarely, in bounded time and memory."""

import http.client
from collections.abc import Mapping
from typing import Final

import urllib3
import urllib3.exceptions

from task_service.adapters.http.connections import Dialler, budget, pool_classes
from task_service.adapters.http.egress import anywhere

MAX_BYTES: Final = 512 * 1024
_CHUNK: Final = 64 * 1024


class EndpointFailed(Exception):
    """The endpoint gave no complete answer."""


class HttpEndpoint:
    """Asks one URL. It is a setting, so it may be at any address; redirects are not followed."""

    def __init__(self, url: str) -> None:
        self._url = url

    def ask(
        self, method: str, *, seconds: float, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> tuple[int, bytes]:
        """Status and body of the answer, which comes within so many seconds. Raises EndpointFailed."""
        # Asked once in a long while: a connection would not be there any more.
        with budget.within(seconds), urllib3.PoolManager() as manager:
            manager.pool_classes_by_scheme = pool_classes(Dialler(permits=anywhere))
            try:
                return self._ask(manager, method, headers, body)
            except (OSError, ValueError, urllib3.exceptions.HTTPError, http.client.HTTPException) as error:
                raise EndpointFailed(type(error).__name__) from error

    def _ask(
        self, manager: urllib3.PoolManager, method: str, headers: Mapping[str, str] | None, body: bytes | None
    ) -> tuple[int, bytes]:
        response = manager.request(
            method,
            self._url,
            headers={"Accept": "application/json", **(headers or {})},
            body=body,
            preload_content=False,
            redirect=False,
            retries=False,
        )
        try:
            received = bytearray()
            for chunk in response.stream(_CHUNK):
                received += chunk
                if len(received) > MAX_BYTES:
                    raise EndpointFailed(f"more than {MAX_BYTES} bytes")
                budget.left()
            return response.status, bytes(received)
        finally:
            response.close()
