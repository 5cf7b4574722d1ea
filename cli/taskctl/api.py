"""The service over HTTP: one request, one answer, and what can go wrong between them.

An answer is hostile until it is checked: it can be late, endless, too large, not JSON, or JSON of another form.
"""

import json
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlsplit

import requests
import urllib3

from taskctl import __version__
from taskctl.errors import Denied, NoAnswer, Refused, TaskctlError, WrongUse
from taskctl.hostile import plain
from taskctl.profiles import Connection

T = TypeVar("T")

PATIENCE_SECONDS: Final = 30.0
"""The longest time that an answer may take, beside the time that a request asks to wait."""
CONNECT_SECONDS: Final = 10.0
LARGEST_ANSWER: Final = 64 * 1024 * 1024
"""Bytes; a result has at most 6 MB, the status of a list with results of groups somewhat more."""

_CHUNK: Final = 64 * 1024
_GET_PAUSES: Final = (0.2, 1.0)
"""Seconds before a request that only reads is sent again."""
_PASSING: Final = frozenset({429, 500, 502, 503, 504})
PAGE_SIZE: Final = 100
"""Entries of a page; the service gives no more."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An answer of the service, none of an error."""

    status: int
    headers: Mapping[str, str]
    text: str

    def json(self) -> Any:
        """The JSON value of the body. Raises NoAnswer."""
        try:
            return json.loads(self.text)
        except (ValueError, RecursionError):
            raise unusable("it is not JSON") from None

    def object(self) -> dict[str, Any]:
        """The JSON object of the body. Raises NoAnswer."""
        return checked(self.json(), dict)


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page of a collection."""

    items: list[dict[str, Any]]
    is_last: bool


class Server:
    """The service at a URL."""

    def __init__(self, connection: Connection, *, patience: float = PATIENCE_SECONDS) -> None:
        self.connection = connection
        self._patience = patience
        self._session = requests.Session()
        self._session.auth = self._add_token
        self._session.headers.update(
            {"User-Agent": f"taskctl/{__version__}", "Accept": "application/json", "Accept-Encoding": "identity"}
        )

    def get(self, path: str, *, parameters: Mapping[str, str] | None = None, wait: int = 0) -> Answer:
        """Read; with `wait`, the service answers when the task or list has ended, or after so many seconds.

        A fault that may pass is tried again, twice. Raises Refused, Denied, NoAnswer.
        """
        headers = {"Prefer": f"wait={wait}"} if wait else {}
        ask = partial(self.call, "GET", path, parameters=parameters, headers=headers, wait=wait)
        for pause in () if wait else _GET_PAUSES:
            try:
                return ask()
            except NoAnswer as fault:
                if not fault.is_passing:
                    raise
                time.sleep(pause)
        return ask()

    def find(self, path: str) -> Answer | None:
        """Read what may be missing; None: it is. Raises Refused, Denied, NoAnswer."""
        try:
            return self.get(path)
        except Refused as refusal:
            if refusal.status == 404:
                return None
            raise

    def call(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        parameters: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        wait: int = 0,
    ) -> Answer:
        """Send one request. Raises Refused, Denied, NoAnswer."""
        deadline = time.monotonic() + self._patience + wait
        content = {"Content-Type": "application/json"} if body is not None else {}
        try:
            with self._session.request(
                method,
                self.connection.url + path,
                data=body,
                params=parameters,
                headers={**content, **(headers or {})},
                timeout=(CONNECT_SECONDS, max(0.1, deadline - time.monotonic())),
                verify=self.connection.ca_file or True,
                allow_redirects=False,
                stream=True,
            ) as response:
                text = self._body(response, deadline)
                answer = Answer(status=response.status_code, headers=response.headers, text=text)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise self._fault(error) from None
        if answer.status >= 300:
            raise self._refusal(answer)
        return answer

    def pages(self, path: str, parameters: Mapping[str, str] | None = None) -> Iterator[Page]:
        """The pages of a collection. Raises Refused, Denied, NoAnswer."""
        query = {"limit": str(PAGE_SIZE), **(parameters or {})}
        seen: set[str] = set()
        while True:
            page = self.get(path, parameters=query).object()
            following = page.get("next")
            items = [checked(item, dict) for item in member(page, "items", list)]
            yield Page(items=items, is_last=following is None)
            if following is None:
                return
            if not isinstance(following, str) or following in seen:
                raise unusable("its pages do not end")
            seen.add(following)
            query["next"] = following

    def _add_token(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the token; called without one too, because requests would take a password from ~/.netrc."""
        if self.connection.token is not None:
            request.headers["Authorization"] = f"Bearer {self.connection.token}"
        return request

    def _body(self, response: requests.Response, deadline: float) -> str:
        """The body, read before the deadline. Raises NoAnswer, and what urllib3 raises."""
        chunks: list[bytes] = []
        size = 0
        while chunk := response.raw.read1(_CHUNK):
            size += len(chunk)
            if size > LARGEST_ANSWER:
                raise unusable(f"it has more than {LARGEST_ANSWER} bytes")
            if time.monotonic() > deadline:
                raise NoAnswer(f"{self._host} does not finish its answer in time", "try again later")
            chunks.append(chunk)
        return b"".join(chunks).decode("utf-8", "replace")

    @property
    def _host(self) -> str:
        return urlsplit(self.connection.url).netloc

    def _fault(self, error: Exception) -> NoAnswer:
        """The error for a request that got no answer."""
        causes = [*_causes(error)]
        tls = next((cause for cause in causes if isinstance(cause, ssl.SSLError)), None)
        if isinstance(tls, ssl.SSLCertVerificationError):
            return NoAnswer(
                f"the certificate of {self._host} is not accepted ({plain(tls.verify_message)})",
                "name its authority's certificate with --ca-file",
                is_passing=False,
            )
        if tls is not None:
            reason = plain(tls.reason or "the handshake fails")
            return NoAnswer(
                f"{self._host} does not speak TLS as expected ({reason})", "check the URL", is_passing=False
            )
        for cause in causes:
            if isinstance(cause, OSError) and cause.strerror and not isinstance(cause, TimeoutError):
                return NoAnswer(f"{self._host} cannot be reached ({plain(cause.strerror)})", _CHECK)
            if isinstance(cause, ConnectionError):
                return NoAnswer(f"{self._host} closes the connection without an answer", _CHECK)
        if any(
            isinstance(cause, TimeoutError | requests.Timeout | urllib3.exceptions.TimeoutError) for cause in causes
        ):
            return NoAnswer(f"{self._host} does not answer in time", "try again later, or check the URL")
        return NoAnswer(f"{self._host} does not answer as an HTTP server does", _CHECK)

    def _refusal(self, answer: Answer) -> TaskctlError:
        """The error for an answer that refuses."""
        if answer.status < 400:
            location = plain(answer.headers.get("Location", "another address"))
            return NoAnswer(f"{self._host} redirects to {location}", "give that address with --url", is_passing=False)
        message = _message(answer)
        if answer.status in (401, 403):
            has = "another token" if self.connection.token else "a token"
            return Denied(
                f"the service refuses the request ({answer.status}: {message or 'without a reason'})",
                f"give {has} with TASKCTL_TOKEN or a profile, or check the URL",
            )
        if message is None or answer.status >= 500 or answer.status == 429:
            said = f": {message}" if message else ", which is no answer of the task service"
            return NoAnswer(f"{self._host} answers {answer.status}{said}", _CHECK, is_passing=answer.status in _PASSING)
        return Refused(message, status=answer.status)


_CHECK: Final = "check the URL (--url, TASKCTL_URL or a profile), and that the service runs"


def segment(name: str) -> str:
    """A name as a part of a path. Raises WrongUse."""
    if name in ("", ".", ".."):
        raise WrongUse(f"{name!r} cannot be a name", "give the name or the id that the service has shown")
    try:
        return quote(name, safe="")
    except UnicodeEncodeError:
        raise WrongUse(f"{plain(name)} is not valid Unicode", "give the name as the service has shown it") from None


def checked(value: Any, kind: type[T]) -> T:
    """A value of the answer, which has to be of this type. Raises NoAnswer."""
    if not isinstance(value, kind):
        raise unusable("it has another form")
    return value


def member(value: Mapping[str, Any], name: str, kind: type[T]) -> T:
    """A member of an object of the answer, which has to be of this type. Raises NoAnswer."""
    return checked(value.get(name), kind)


def text_or_none(value: Mapping[str, Any], name: str) -> str | None:
    """A member that is a string, or null, or missing. Raises NoAnswer."""
    found = value.get(name)
    return None if found is None else checked(found, str)


def unusable(reason: str) -> NoAnswer:
    """The error for an answer that the task service does not give."""
    return NoAnswer(f"the answer is none of the task service: {reason}", "check the URL", is_passing=False)


def _message(answer: Answer) -> str | None:
    """The message of an error of the service; None: it is no such error."""
    try:
        return plain(member(answer.object(), "message", str)) or None
    except NoAnswer:
        return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and those that it wraps: libraries put them into arguments, reasons and contexts."""
    waiting, seen = [error], set()
    while waiting:
        cause = waiting.pop()
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        wrapped = (*cause.args, getattr(cause, "reason", None), cause.__cause__, cause.__context__)
        waiting += [inner for inner in wrapped if isinstance(inner, BaseException)]
