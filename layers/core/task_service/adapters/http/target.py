"""HTTP targets, called with requests under a time budget that holds, and with bounded memory."""

import codecs
import http.client
import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

import requests
import urllib3.exceptions

from task_service.adapters.http.budget import BudgetAdapter, budget
from task_service.adapters.http.connections import Dialler, NotPermitted
from task_service.domain import json_text
from task_service.domain.call import Answered, CallRefused, HttpCall

_CHUNK: Final = 64 * 1024
_POOL: Final = 10


class RequestsTarget:
    """Calls HTTP targets over connections of `dialler`, which are kept and shared; cookies are not.

    With `json_only`, an answer that is not JSON refuses a call that went well otherwise.
    """

    def __init__(self, dialler: Dialler, *, json_only: bool = False) -> None:
        self._json_only = json_only
        self._adapter = BudgetAdapter(dialler, pool_connections=32, pool_maxsize=_POOL, max_retries=0)

    def call(self, call: HttpCall, *, deadline: datetime) -> Answered:
        """Make the call; it ends before `deadline`, whatever the target does. Raises CallRefused."""
        seconds = (deadline - datetime.now(UTC)).total_seconds()
        if seconds <= 0:
            raise CallRefused("there was no time left for the call", can_retry=True)
        budget.start(seconds)
        session = requests.Session()
        # Proxies and credentials of the environment are not the target's business.
        session.trust_env = False
        session.mount("http://", self._adapter)
        session.mount("https://", self._adapter)
        try:
            with session.request(
                call.method,
                call.url,
                headers=call.headers,
                data=None if call.body is None else call.body.encode("utf-8"),
                stream=True,
                hooks={"response": partial(_end_redirect, session)},
            ) as response:
                body = _read(response)
                status = response.status_code
                is_good = 200 <= status <= 299
                if self._json_only and is_good and not json_text.is_valid(_text(body, response.encoding)):
                    raise CallRefused("the target's answer is not JSON", can_retry=False, response_code=status)
                return Answered(
                    status=status,
                    result=_as_json(response, body),
                    retry_after=response.headers.get("Retry-After"),
                )
        except CallRefused:
            raise
        except Exception as error:
            raise _refusal(error, seconds) from error

    def close(self) -> None:
        """Close the connections that are kept."""
        self._adapter.close()


# -- the answer


class _TooMuch(Exception):
    """The target sends more than is carried."""


def _end_redirect(session: requests.Session, response: requests.Response, **__: Any) -> None:
    """Read a redirect's body, which requests would read without a limit, and refuse URLs that it stumbles over."""
    if not response.is_redirect:
        return
    with response:
        _read(response)
    try:
        # Looking at the port checks it.
        _ = urlsplit(session.get_redirect_target(response) or "").port
    except ValueError as error:
        raise requests.exceptions.InvalidURL(str(error)) from error


def _read(response: requests.Response) -> bytes:
    body = bytearray()
    chunks: Iterator[bytes] = response.iter_content(_CHUNK)
    for chunk in chunks:
        body += chunk
        if len(body) > json_text.MAX_BYTES:
            raise _TooMuch
        # Also where the answer trickles in from a buffer, without any wait.
        budget.left()
    return bytes(body)


def _as_json(response: requests.Response, body: bytes) -> str:
    """The answer as JSON text: as it is where it is JSON, else its text as a JSON string, null where it is empty."""
    text = _text(body, response.encoding)
    if not text:
        return "null"
    return text if json_text.is_valid(text) else json_text.from_text(text)


_NOT_FOR_TEXT: Final = frozenset({"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"})
"""Codecs of Python's own (https://docs.python.org/3/library/codecs.html#text-encodings) that no target means, some of
them very slow."""


def _text(body: bytes, charset: str | None) -> str:
    """The text of an answer: Unicode where it is that, by its first bytes (RFC 4627, 3), else what it claims to be."""
    with suppress(UnicodeDecodeError):
        return body.decode(json.detect_encoding(body))
    # There may be no such charset, or it is none of text, or it cannot replace what it cannot read.
    with suppress(LookupError, ValueError):
        if charset and codecs.lookup(charset).name not in _NOT_FOR_TEXT:
            # Some leave surrogates, which are in no text that can be stored.
            return body.decode(charset, errors="replace").encode("utf-8", "replace").decode()
    return body.decode("utf-8", errors="replace")


# -- the failures


_MEANINGS: Final[tuple[tuple[tuple[type[BaseException], ...], bool, str], ...]] = (
    ((NotPermitted,), False, "the target's address is not public, and EGRESS_ALLOW does not open it"),
    ((_TooMuch,), False, f"the target answered with more than {json_text.MAX_BYTES} bytes"),
    (
        (TimeoutError, requests.exceptions.Timeout),
        True,
        "the target did not answer completely within {seconds:.3g} s",
    ),
    (
        (
            requests.exceptions.InvalidURL,
            requests.exceptions.InvalidSchema,
            requests.exceptions.MissingSchema,
            urllib3.exceptions.LocationParseError,
            UnicodeError,
        ),
        False,
        "the URL, or one that the target redirects to, is not valid",
    ),
    ((requests.exceptions.TooManyRedirects,), False, "the target redirects too often"),
    ((ConnectionRefusedError,), True, "the target could not be reached: connection refused"),
    ((socket.gaierror,), True, "the target could not be reached: its name was not found"),
    (
        (http.client.RemoteDisconnected, ssl.SSLEOFError),
        True,
        "the target closed the connection without an answer",
    ),
    ((ConnectionResetError,), True, "the target reset the connection"),
    ((ssl.SSLError, requests.exceptions.SSLError), True, "the target's TLS could not be verified or negotiated"),
    (
        (http.client.HTTPException, urllib3.exceptions.HTTPError),
        True,
        "the target's answer broke off or is not valid HTTP",
    ),
    ((requests.exceptions.InvalidHeader,), False, "a header of the call is not valid"),
    ((requests.exceptions.RequestException, OSError), True, "the connection to the target failed"),
)
"""What failures mean: whether another attempt can mend it, and the reason. The first that is found among an error and
its causes counts. No reason names an address: it may be one of an internal network."""


def _refusal(error: Exception, seconds: float) -> CallRefused:
    """What a failed call means. Raises the error itself where it has no meaning."""
    causes = list(_causes(error))
    for kinds, can_retry, reason in _MEANINGS:
        if any(isinstance(cause, kinds) for cause in causes):
            return CallRefused(reason.format(seconds=seconds), can_retry=can_retry)
    raise error


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what it came from, through causes, contexts and the arguments that urllib3 wraps them in."""
    pending = [error]
    seen: set[int] = set()
    while pending:
        current = pending.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        pending += [current.__cause__, current.__context__]
        pending += [
            argument
            for argument in (*current.args, getattr(current, "reason", None))
            if isinstance(argument, BaseException)
        ]
