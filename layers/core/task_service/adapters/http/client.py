"""The HTTP client: calls targets under a time budget that holds, and with bounded memory.

The modules beside this one hold what each part of a call knows: `request` and `stream` send it, `head`, `body`,
`decoding` and `charset` read the answer and believe no part of it unchecked, `redirects` says what follows, and
`connections` opens, keeps and repeats. A failure is a CallRefused from where it is known, or an OSError, which
`failures` translates.
"""

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from task_service.adapters.http.answer import Answer
from task_service.adapters.http.budget import Budget
from task_service.adapters.http.charset import text_of
from task_service.adapters.http.connections import Connections, Dialler
from task_service.adapters.http.failures import refusal
from task_service.adapters.http.head import Head
from task_service.adapters.http.redirects import INVALID_URL, MAX_REDIRECTS, location_of, redirected
from task_service.adapters.http.request import Request
from task_service.domain import header, json_text
from task_service.domain.call import Answered, CallRefused, HttpCall
from task_service.domain.retry import is_retryable
from task_service.domain.url import Url
from task_service.ports import Clock

if TYPE_CHECKING:
    from task_service.adapters.http.cookies import Cookies


class HttpClient:
    """Calls HTTP targets over connections of `dialler`, which are kept and shared; cookies are not.

    With `json_only`, an answer that is not JSON refuses a call that went well otherwise.
    """

    def __init__(self, dialler: Dialler, *, clock: Clock, json_only: bool = False) -> None:
        """`clock` is the one of the deadlines."""
        self._json_only = json_only
        self._clock = clock
        self._connections = Connections(dialler)

    def call(self, call: HttpCall, *, deadline: datetime) -> Answered:
        """Make the call. It ends before `deadline`, also if the target never ends its answer. Raises CallRefused."""
        seconds = (deadline - self._clock()).total_seconds()
        if seconds <= 0:
            raise CallRefused("there was no time left for the call", can_retry=True)
        way = _Way(_first_request(call))
        try:
            answered = self._follow(way, call, Budget(seconds))
        except CallRefused as refused:
            refused.redirects, refused.final_origin = way.redirects, way.final_origin
            raise
        except OSError as error:
            failed = refusal(error, seconds)
            failed.redirects, failed.final_origin = way.redirects, way.final_origin
            raise failed from error
        return replace(answered, redirects=way.redirects, final_origin=way.final_origin)

    def _follow(self, way: "_Way", call: HttpCall, budget: Budget) -> Answered:
        """Send one request after the other, until an answer does not redirect."""
        while True:
            with self._connections.send(way.request, budget, fresh=call.fresh_connection) as answer:
                location = location_of(answer.head) if call.redirects else None
                if location is None:
                    return self._answered(answer)
                answer.discard()
                way.follow(answer.head, location)

    def _answered(self, answer: Answer) -> Answered:
        head = answer.head
        retry_after = head.first("retry-after")
        try:
            body = answer.read(json_text.MAX_BYTES)
            text = text_of(body, head.first("content-type") or "")
            is_json = json_text.is_valid(text)
            if self._json_only and 200 <= head.status <= 299 and not is_json:
                raise CallRefused("the target's answer is not JSON", can_retry=False)
        except CallRefused as refused:
            refused.response_code, refused.retry_after = head.status, retry_after
            # Where the status says "later", the next answer is another one.
            refused.can_retry = refused.can_retry or is_retryable(head.status)
            raise
        result = (text if is_json else json_text.from_text(text)) if text else "null"
        return Answered(status=head.status, result=result, retry_after=retry_after)

    def close(self) -> None:
        """Close the connections that are kept."""
        self._connections.close()


class _Way:
    """The requests of one call, from the first through all redirects."""

    def __init__(self, request: Request) -> None:
        self._own = request
        self._cookies: Cookies | None = None
        self.request = request
        """The request that is sent next: the call's own request with the cookies that were set meanwhile."""
        self.redirects = 0

    @property
    def final_origin(self) -> str | None:
        """The origin to which the redirects have led; None: there were none."""
        return self.request.url.origin if self.redirects else None

    def follow(self, head: Head, location: str) -> None:
        """Go on to where an answer redirects. Raises CallRefused."""
        if self.redirects == MAX_REDIRECTS:
            raise CallRefused("the target redirects too often", can_retry=False)
        if self._cookies is None and head.first("set-cookie") is not None:
            from task_service.adapters.http.cookies import Cookies

            self._cookies = Cookies()
        if self._cookies is not None:
            self._cookies.take(self._own.url, head)
        self._own = redirected(self._own, head.status, location)
        self.redirects += 1
        self.request = self._own if self._cookies is None else self._with(self._cookies)

    def _with(self, cookies: "Cookies") -> Request:
        headers = {name: value for name, value in self._own.headers.items() if name.lower() != "cookie"}
        own = next((value for name, value in self._own.headers.items() if name.lower() == "cookie"), None)
        cookie = cookies.header(self._own.url, own)
        return replace(self._own, headers=headers | ({"Cookie": cookie} if cookie else {}))


def _first_request(call: HttpCall) -> Request:
    """The request of a call, once it is sure that it can be sent as it is. Raises CallRefused."""
    try:
        url = Url.parse(call.url)
    except ValueError as error:
        raise CallRefused(INVALID_URL, can_retry=False) from error
    # White space around a value is no part of it (RFC 9110, 5.5).
    headers = {name: value.strip(" \t") for name, value in call.headers.items()}
    if header.faults(headers):
        raise CallRefused("a header of the call is not valid", can_retry=False)
    if url.authorization is not None:
        if any(name.lower() == "authorization" for name in headers):
            raise CallRefused(
                "the call has both an Authorization header and a user in its URL, only one of them can be sent",
                can_retry=False,
            )
        headers["Authorization"] = url.authorization
    return Request(method=call.method, url=url, headers=headers, body=_body(call.body))


def _body(text: str | None) -> bytes | None:
    try:
        return None if text is None else text.encode("utf-8")
    except UnicodeEncodeError as error:
        # Half of a surrogate pair.
        raise CallRefused("the body of the call is not Unicode text", can_retry=False) from error
