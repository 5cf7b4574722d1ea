"""One small HTTP endpoint of the operator's own: where keys or tokens are, asked rarely, in bounded time and memory."""

from collections.abc import Mapping
from contextlib import closing
from typing import Final

from task_service.adapters.http.budget import Budget
from task_service.adapters.http.connections import Connections, Dialler
from task_service.adapters.http.egress import anywhere
from task_service.adapters.http.request import Request
from task_service.domain.call import CallRefused
from task_service.domain.url import Url

MAX_BYTES: Final = 512 * 1024


class EndpointFailed(Exception):
    """The endpoint gave no complete answer."""


def ask_endpoint(
    url: str, method: str, *, seconds: float, headers: Mapping[str, str] | None = None, body: bytes | None = None
) -> tuple[int, bytes]:
    """Status and body of the answer, which comes within so many seconds. Raises EndpointFailed.

    The URL is a setting, so it may be at any address; redirects are not followed.
    """
    # Asked once in a long while: a connection would not be there any more.
    with closing(Connections(Dialler(permits=anywhere))) as connections:
        try:
            sent = {"Accept": "application/json", "Connection": "close", **(headers or {})}
            request = Request(method=method, url=Url.parse(url), headers=sent, body=body)
            with connections.send(request, Budget(seconds)) as answer:
                return answer.head.status, answer.read(MAX_BYTES)
        except CallRefused as refused:
            raise EndpointFailed(refused.reason) from refused
        except (OSError, ValueError) as error:
            raise EndpointFailed(type(error).__name__) from error
