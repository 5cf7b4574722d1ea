"""What a redirect leads to (RFC 9110, 15.4). Pure: nothing here calls anything.

Method and body change as with requests and browsers: 303 fetches the result with GET, 302 and a POST's 301 do too, 307
and 308 make the same call again. To another origin goes only what every client may send: no body, no header of the
template but Accept and User-Agent, no credentials, no cookie of another host; and a redirect back does not bring them
again. Only the step from http to https of the same host, on their own ports, counts as the same origin.
"""

from dataclasses import replace
from typing import Final

from task_service.adapters.http.head import Head
from task_service.adapters.http.request import Request
from task_service.domain.call import CallRefused
from task_service.domain.url import Url

MAX_REDIRECTS: Final = 30
INVALID_URL: Final = "the URL, or one that the target redirects to, is not valid"

_STATUSES: Final = frozenset({301, 302, 303, 307, 308})
_SAME_CALL: Final = frozenset({307, 308})
_ABOUT_THE_BODY: Final = frozenset({"content-type", "content-encoding", "content-language", "content-location"})
_OF_EVERY_CLIENT: Final = frozenset({"accept", "user-agent"})


def location_of(head: Head) -> str | None:
    """The URL that an answer redirects to; None: it does not redirect. Raises CallRefused."""
    if head.status not in _STATUSES:
        return None
    locations = set(head.all("location"))
    if len(locations) > 1:
        raise CallRefused("the target redirects to several URLs at once", can_retry=False)
    return locations.pop() if locations else None


def redirected(request: Request, status: int, location: str) -> Request:
    """The request that follows a redirect. Raises CallRefused."""
    try:
        url = request.url.resolve(location)
    except ValueError as error:
        raise CallRefused(INVALID_URL, can_retry=False) from error
    headers, body = request.headers, request.body
    if status not in _SAME_CALL:
        body = None
        headers = {name: value for name, value in headers.items() if name.lower() not in _ABOUT_THE_BODY}
    if not _is_same_origin(request.url, url):
        if body is not None:
            raise CallRefused(
                "the target redirects to another origin, which does not get the body of the call", can_retry=False
            )
        headers = {name: value for name, value in headers.items() if name.lower() in _OF_EVERY_CLIENT}
    return replace(request, method=_method(request.method, status), url=url, headers=headers, body=body)


def _method(method: str, status: int) -> str:
    becomes_get = (status in (302, 303) and method != "HEAD") or (status == 301 and method == "POST")
    return "GET" if becomes_get else method


def _is_same_origin(here: Url, there: Url) -> bool:
    if here.host != there.host:
        return False
    is_upgrade = (here.scheme, here.port, there.scheme, there.port) == ("http", 80, "https", 443)
    return is_upgrade or (here.scheme, here.port) == (there.scheme, there.port)
