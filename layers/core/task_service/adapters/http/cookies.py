"""Cookies that targets set while redirects are followed; after the call they are forgotten."""

from email.message import Message
from http.client import HTTPResponse
from http.cookiejar import CookieJar
from types import SimpleNamespace
from typing import cast
from urllib.request import Request as UrllibRequest

from task_service.adapters.http.head import Head
from task_service.domain.url import Url


class Cookies:
    """The cookies of one call. Importing it costs, and few targets set any."""

    def __init__(self) -> None:
        self._jar = CookieJar()

    def take(self, url: Url, head: Head) -> None:
        """Take what an answer of `url` sets."""
        headers = Message()
        for value in head.all("set-cookie"):
            headers["Set-Cookie"] = value
        # All that http.cookiejar looks at.
        answer = SimpleNamespace(info=lambda: headers)
        self._jar.extract_cookies(cast(HTTPResponse, answer), _request(url))

    def header(self, url: Url, own: str | None) -> str | None:
        """The Cookie header for `url`: the call's own, and what was set for it since; that replaces its own."""
        request = _request(url)
        self._jar.add_cookie_header(request)
        cookies = _pairs(own) | _pairs(request.get_header("Cookie"))
        return "; ".join(cookies.values()) or None


def _request(url: Url) -> UrllibRequest:
    return UrllibRequest(f"{url.origin}{url.target}")


def _pairs(header: str | None) -> dict[str, str]:
    """The cookies of a header by name, each as it stands there."""
    pairs = [pair.strip() for pair in (header or "").split(";")]
    return {pair.partition("=")[0]: pair for pair in pairs if pair}
