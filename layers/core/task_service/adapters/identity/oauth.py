"""Bearer tokens for the services that policies and the cache are behind: OAuth2 client credentials (RFC 6749, 4.4).

One token serves every call of a process until shortly before it expires. However many threads need a new one, one of
them fetches it and the others wait for that one, each as long as its own call has time.
"""

import base64
import logging
import math
import random
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import quote_plus, urlencode

from task_service.adapters.http.endpoint import EndpointFailed, ask_endpoint
from task_service.domain import strict_json
from task_service.domain.call import CallRefused
from task_service.domain.errors import Unavailable
from task_service.domain.json_text import InvalidJson
from task_service.ports import Clock, Draw, Pause, Secret

log: Final = logging.getLogger("task")

ATTEMPTS: Final = 3
ATTEMPT_SECONDS: Final = 5.0
PAUSE_SECONDS: Final = 0.2
"""Before the second attempt, at most; before each later one twice as much."""

MARGIN: Final = timedelta(seconds=30)
"""How long before it expires a token is no longer used; less for tokens that do not live ten times as long."""
UNKNOWN_LIFE: Final = timedelta(minutes=5)
"""How long a token is used that does not say when it expires."""
MAX_LIFE: Final = timedelta(days=1)


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class _Token:
    text: str
    use_until: datetime


class _Declined(Exception):
    """The endpoint does not accept the credentials or the request."""


@dataclass(kw_only=True, eq=False, repr=False)
class ClientCredentials:
    """Gets a token for this client, and keeps it."""

    token_url: str
    client_id: str
    secret: Secret
    clock: Clock
    draw: Draw = random.random
    pause: Pause = time.sleep
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _token: _Token | None = field(default=None, init=False)
    _under_way: Future[_Token] | None = field(default=None, init=False)
    _in_body: bool = field(default=False, init=False)
    """How the endpoint wants the credentials; found out by trying."""

    def __call__(self, deadline: datetime) -> str:
        """A token to be used now. Raises CallRefused where there is none before `deadline`."""
        while True:
            with self._lock:
                if self._token is not None and self.clock() < self._token.use_until:
                    return self._token.text
                under_way, mine = self._under_way, self._under_way is None
                if under_way is None:
                    under_way = self._under_way = Future()
            if mine:
                return self._fetch_for_all(under_way, deadline)
            try:
                return under_way.result(timeout=self._left(deadline)).text
            except _OutOfTime:
                # That was the other thread's time. This one's may do.
                self._left(deadline)
            except CallRefused as refusal:
                raise CallRefused(refusal.reason, can_retry=refusal.can_retry) from refusal
            except TimeoutError:
                raise _OutOfTime from None

    def forget(self, token: str | None = None) -> None:
        """Do not use this token any more, by default whichever it is: a service has not accepted it."""
        with self._lock:
            if self._token is not None and token in (None, self._token.text):
                self._token = None

    def _fetch_for_all(self, waited_for: Future[_Token], deadline: datetime) -> str:
        try:
            token = self._fetch(deadline)
        except BaseException as error:
            with self._lock:
                self._under_way = None
            waited_for.set_exception(error)
            raise
        with self._lock:
            self._token, self._under_way = token, None
        waited_for.set_result(token)
        return token.text

    def _fetch(self, deadline: datetime) -> _Token:
        for attempt in range(ATTEMPTS):
            if attempt:
                self.pause(min(self._left(deadline), PAUSE_SECONDS * 2 ** (attempt - 1) * (0.5 + self.draw() / 2)))
            try:
                token = self._ask_either_way(deadline)
            except (EndpointFailed, Unavailable) as error:
                log.warning("no token, once more", extra={"action": "fetch_token", "reason": str(error)})
            except _Declined as error:
                log.error("no token for these credentials", extra={"action": "fetch_token", "reason": str(error)})
                # The operator can mend the credentials, so a later attempt may succeed.
                raise CallRefused("the token endpoint did not accept our credentials", can_retry=True) from error
            else:
                log.info("a token was fetched", extra={"action": "fetch_token"})
                return token
        raise CallRefused("the token endpoint gave no token", can_retry=True)

    def _ask_either_way(self, deadline: datetime) -> _Token:
        """A token, with credentials where the endpoint wants them, and once more with a secret that has changed."""
        secret = self.secret()
        try:
            return self._ask(secret, deadline, in_body=self._in_body)
        except _Declined:
            self._left(deadline)
        try:
            token = self._ask(secret, deadline, in_body=not self._in_body)
        except _Declined:
            self.secret.forget()
            if (changed := self.secret()) == secret:
                raise
            return self._ask(changed, deadline, in_body=self._in_body)
        self._in_body = not self._in_body
        return token

    def _ask(self, secret: str, deadline: datetime, *, in_body: bool) -> _Token:
        form = {"grant_type": "client_credentials"}
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if in_body:
            form |= {"client_id": self.client_id, "client_secret": secret}
        else:
            # Encoded before they are joined (RFC 6749, 2.3.1).
            pair = f"{quote_plus(self.client_id)}:{quote_plus(secret)}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        seconds = min(self._left(deadline), ATTEMPT_SECONDS)
        asked_at = self.clock()
        encoded = urlencode(form).encode()
        status, body = ask_endpoint(self.token_url, "POST", seconds=seconds, headers=headers, body=encoded)
        if status in (400, 401, 403):
            raise _Declined(f"status {status}")
        if status != 200:
            raise EndpointFailed(f"status {status}")
        return _token(body, asked_at)

    def _left(self, deadline: datetime) -> float:
        left = (deadline - self.clock()).total_seconds()
        if left <= 0:
            raise _OutOfTime
        return left


class _OutOfTime(CallRefused):
    def __init__(self) -> None:
        super().__init__("there was no time left for getting a token", can_retry=True)


def _token(body: bytes, asked_at: datetime) -> _Token:
    """The token in an answer. Raises EndpointFailed."""
    try:
        answer = strict_json.loads(body)
    except InvalidJson as error:
        raise EndpointFailed(f"the answer cannot be read as JSON: {error}") from None
    text = answer.get("access_token") if isinstance(answer, Mapping) else None
    # What a header can carry (RFC 6750, 2.1).
    if not (isinstance(text, str) and text and text.isascii() and text.isprintable() and " " not in text):
        raise EndpointFailed("there is no token in the answer")
    if str(answer.get("token_type", "bearer")).lower() != "bearer":
        raise EndpointFailed("the token is no bearer token")
    life = _life(answer.get("expires_in"))
    return _Token(text=text, use_until=asked_at + life - min(MARGIN, life / 10))


def _life(expires_in: Any) -> timedelta:
    """How long a token lives; some endpoints write the seconds as a text, some not at all."""
    try:
        seconds = float(expires_in)
    except (TypeError, ValueError, OverflowError):
        return UNKNOWN_LIFE
    if not math.isfinite(seconds):
        return UNKNOWN_LIFE
    return timedelta(seconds=min(max(seconds, 0.0), MAX_LIFE.total_seconds()))
