"""A client of DynamoDB and SQS, over their JSON protocol: a fifth of botocore's CPU for each call.

Any call may reach the service twice: an answer gets lost, or a kept connection dies while Lambda has frozen the
process. Each operation that the adapters call can be repeated:

    GetItem  Query  BatchGetItem  GetQueueAttributes   read
    PutItem  UpdateItem   each has a condition. After its own first effect it is refused, with the record as it then is,
                          in which the adapters recognise their write: the task's id, a claim's and an end's holder, the
                          key's use. Templates hold the same document then, but the answer may say that it was not new,
                          or (If-Match, If-None-Match) that the condition did not hold.
    UpdateItem of a set   takes a number off, or adds one: twice is as once
    DeleteItem  DeleteMessageBatch   what is gone stays gone; templates: the answer may say that there was none
    SendMessage  SendMessageBatch   a second message does no harm: SQS itself delivers some twice, and a claim succeeds
                                    for one of them
    ChangeMessageVisibility         the later one counts, some seconds later

One cannot, and is not repeated unless the service has refused it as too many:

    BatchWriteItem   has no conditions: one that arrives late would write records anew that have changed since. After an
                     answer that got lost the adapter gives the records up, and their ids

Not here: proxies.
"""

import json
import os
import random
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from typing import Any, Final, Protocol
from urllib.parse import quote

from task_service import VERSION
from task_service.adapters.aws.connection import Answer, Connection, ConnectionDied
from task_service.adapters.aws.credentials import Credentials, Keys
from task_service.adapters.aws.endpoints import Endpoint, find_endpoint, find_region
from task_service.adapters.aws.patience import PATIENT, Patience
from task_service.adapters.aws.signature import authorization
from task_service.domain.errors import Unavailable

PAUSE_SECONDS: Final = 0.05
"""The longest pause before the second try; it doubles for each further one."""

THROTTLED_PAUSE_SECONDS: Final = 0.5
"""The same after the service said that there are too many requests."""

TOLERATED_SKEW_SECONDS: Final = 240
"""A clock that is wrong by less is not corrected; AWS accepts five minutes."""

_TARGETS: Final = {"dynamodb": "DynamoDB_20120810", "sqs": "AmazonSQS"}
_TRACE_CHARACTERS: Final = "-=;:+&[]{}\"',"
_ONCE: Final = frozenset({"BatchWriteItem"})
_WITHOUT_OUTPUT: Final = "ChangeMessageVisibility"
_CONDITION_FAILED: Final = "ConditionalCheckFailedException"
_INVALID: Final = "ValidationException"
_EXPIRED: Final = ("ExpiredTokenException", "ExpiredToken")
_SKEWED: Final = ("InvalidSignatureException", "RequestExpired", "RequestInTheFuture", "RequestTimeTooSkewed")
_THROTTLED: Final = (
    "KmsThrottled",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "ThrottlingException",
)


class ConditionFailed(Exception):
    """The condition of a write does not hold."""

    def __init__(self, item: dict[str, Any] | None) -> None:
        """`item` is the record as it is, if the write asks for it and there is one."""
        super().__init__(_CONDITION_FAILED)
        self.item = item


class Client(Protocol):
    """A client of one AWS service."""

    def call(self, operation: str, /, **parameters: Any) -> dict[str, Any]:
        """Call an operation and return its output. Raises ConditionFailed and Unavailable."""


@dataclass(kw_only=True, eq=False, repr=False)
class WireClient:
    """A client of DynamoDB or SQS; threads may share it, each of their requests has a connection of its own."""

    service: str
    endpoint: Endpoint
    region: str
    credentials: Credentials
    patience: Patience = PATIENT
    clock: Callable[[], float] = time.time
    pause: Callable[[float], None] = time.sleep
    draw: Callable[[], float] = random.random
    _idle: list[Connection] = field(default_factory=list, init=False)
    _skew_seconds: float = field(default=0, init=False)
    """By how much this machine's clock is behind the service's."""

    def call(self, operation: str, /, **parameters: Any) -> dict[str, Any]:
        """Call an operation and return its output.

        Raises ConditionFailed, Unavailable, and ValueError for a request that is never valid.
        """
        body = json.dumps(parameters).encode()
        is_once = operation in _ONCE
        cured: set[str] = set()
        tries = 0
        while True:
            keys = self.credentials.current()
            try:
                return _output(operation, self._exchange(self._request(operation, body, keys), is_once=is_once))
            except _Refused as refused:
                if refused.code == _CONDITION_FAILED:
                    raise ConditionFailed(refused.body.get("Item")) from None
                cure = self._cure(refused, keys)
                if cure and cure not in cured:
                    cured.add(cure)
                    continue
                if refused.code == _INVALID:
                    # The same request is never valid: this is no outage, but a fault of ours or of a message.
                    raise ValueError(f"{self.service} refused {operation} as not valid") from None
                if not refused.passes or (is_once and not refused.throttles):
                    raise self._unavailable(refused.code) from None
                fault, longest = refused.code, THROTTLED_PAUSE_SECONDS if refused.throttles else PAUSE_SECONDS
            except (OSError, HTTPException) as error:
                fault, longest = type(error).__name__, PAUSE_SECONDS
                # The idle connections may have met the same.
                self.close()
                if is_once:
                    raise self._unavailable(fault) from None
            tries += 1
            if tries == self.patience.tries:
                raise self._unavailable(fault)
            self.pause(self.draw() * longest * 2 ** (tries - 1))

    def close(self) -> None:
        """Close the idle connections. The next call opens a new one."""
        while connection := self._take_idle():
            connection.close()

    def _request(self, operation: str, body: bytes, keys: Keys) -> bytes:
        """The bytes of a signed request."""
        moment = datetime.fromtimestamp(self.clock() + self._skew_seconds, UTC).strftime("%Y%m%dT%H%M%SZ")
        path, region, service = self.endpoint.path, self.region, self.service
        signed = {"content-type": "application/x-amz-json-1.0", "host": self.endpoint.authority, "x-amz-date": moment}
        if keys.token:
            signed["x-amz-security-token"] = keys.token
        signed["x-amz-target"] = f"{_TARGETS[service]}.{operation}"
        authorized = authorization(
            keys, path=path, headers=signed, body=body, region=region, service=service, moment=moment
        )
        lines = [
            f"POST {path} HTTP/1.1",
            *(f"{name}: {value}" for name, value in signed.items()),
            f"authorization: {authorized}",
            f"content-length: {len(body)}",
            f"user-agent: task-service/{VERSION}",
            "accept-encoding: identity",
        ]
        if self.service == "sqs" and (trace := os.environ.get("_X_AMZN_TRACE_ID")):
            # By this Lambda counts the rounds of a chain of messages, and X-Ray would follow it. It is never signed.
            lines.append(f"x-amzn-trace-id: {quote(trace, safe=_TRACE_CHARACTERS)}")
        return "\r\n".join([*lines, "", ""]).encode() + body

    def _exchange(self, request: bytes, *, is_once: bool) -> Answer:
        """The answer to a request. A kept connection that has died is replaced at once. Raises OSError, HTTPException.

        The service closes idle connections, and all of them while the process is frozen.
        """
        while kept := self._take_idle():
            if kept.is_usable():
                try:
                    return self._ask(kept, request)
                except ConnectionDied:
                    if is_once:
                        raise
                    break
            kept.close()
        return self._ask(Connection(self.endpoint, seconds=self.patience.connect_seconds), request)

    def _ask(self, connection: Connection, request: bytes) -> Answer:
        try:
            answer = connection.ask(request, seconds=self.patience.answer_seconds)
        except BaseException:
            # The rest of the answer must not meet the next request.
            connection.close()
            raise
        if answer.is_last:
            connection.close()
        else:
            self._idle.append(connection)
        return answer

    def _take_idle(self) -> Connection | None:
        try:
            # The one that was used last. Threads share the list, and each operation on it is atomic.
            return self._idle.pop()
        except IndexError:
            return None

    def _cure(self, refused: "_Refused", keys: Keys) -> str | None:
        """Do what may help against a refusal, once in a call; returns what that was."""
        if refused.code in _EXPIRED:
            self.credentials.renew(keys)
            return "credentials"
        if refused.code in _SKEWED:
            said = _server_time(refused.answer)
            skew = said - self.clock() if said is not None else self._skew_seconds
            if abs(skew - self._skew_seconds) > TOLERATED_SKEW_SECONDS:
                self._skew_seconds = skew
                return "clock"
        return None

    def _unavailable(self, reason: str) -> Unavailable:
        return Unavailable(f"{self.service}: {reason}")


def connect(
    service: str,
    *,
    credentials: Credentials,
    patience: Patience = PATIENT,
    environment: Mapping[str, str] = os.environ,
) -> WireClient:
    """A client of `service` (dynamodb or sqs) in the region and at the endpoint of the environment."""
    region = find_region(environment)
    endpoint = find_endpoint(service, region, environment)
    return WireClient(service=service, endpoint=endpoint, region=region, credentials=credentials, patience=patience)


# -- reading answers


class _Refused(Exception):
    """The service did not do what the request asks for, or its answer cannot be understood."""

    def __init__(self, code: str, *, passes: bool, answer: Answer, body: dict[str, Any] | None = None) -> None:
        """`passes`: the same request may succeed later."""
        super().__init__(code)
        self.code = code
        self.passes = passes
        self.body = body or {}
        self.throttles = code in _THROTTLED or answer.status == 429
        self.answer = answer


def _output(operation: str, answer: Answer) -> dict[str, Any]:
    """The output of an operation. Raises _Refused."""
    checksum = answer.headers["x-amz-crc32"]
    if checksum is not None and checksum != str(zlib.crc32(answer.body)):
        raise _Refused("wrong checksum", passes=True, answer=answer)
    try:
        body = json.loads(answer.body or (b"{}" if operation == _WITHOUT_OUTPUT else b""))
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise _Refused(f"an answer {answer.status} that is no JSON object", passes=True, answer=answer)
    if answer.status == 200:
        return body
    code = str(body.get("__type", "")).rpartition("#")[2]
    known = code if code.isidentifier() else f"status {answer.status}"
    passes = answer.status >= 500 or answer.status == 429 or code in _THROTTLED
    raise _Refused(known, passes=passes, answer=answer, body=body)


def _server_time(answer: Answer) -> float | None:
    """The answer's date in seconds since 1970; None: it has none that can be signed with, today and tomorrow."""
    try:
        said = parsedate_to_datetime(answer.headers["Date"] or "")
    except (ValueError, OverflowError):
        return None
    return said.timestamp() if 1970 < said.year < 9000 else None
