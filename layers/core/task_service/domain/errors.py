"""Every error that a client can see, and what the ports raise.

Each text exists once: the default message of a class is its docstring, a factory makes those with details. Errors of a
rule are made where the rule is checked (`limits`, `paging`, `idempotency`, the schemas, the API's own modules).

    TaskServiceError
    ├── BadRequest            400  kind 1  the request cannot be understood or is not allowed
    │   └── TooLarge          413  kind 1
    ├── Unauthenticated       401  kind 0  there is no token, or it is not accepted
    ├── InsufficientScope     403  kind 0  the token does not allow it
    ├── NotFound              404  kind 5
    ├── MethodNotAllowed      405  kind 0
    ├── Conflict              409  kind 0  its state does not allow it
    ├── PreconditionFailed    412  kind 0  another client changed it
    ├── KeyReused             422  kind 1  the idempotency key was used for another request
    ├── TaskFailed            424  kind 0  there is no result, the task failed
    ├── TurnedOff             403  kind 0  this deployment does not offer it
    ├── Unavailable           503  kind 7  table, queue or bucket does not answer; nothing was promised
    └── InternalError         500  kind 7  any other exception

The kinds are those of the service's first generation (1 bad request, 5 not found, 7 internal, 0 other).
"""

from collections.abc import Iterable, Mapping
from typing import ClassVar, Self


class TaskServiceError(Exception):
    """The service cannot do what was asked."""

    status: ClassVar[int] = 500
    kind: ClassVar[int] = 7

    def __init_subclass__(cls, *, status: int | None = None, kind: int | None = None) -> None:
        cls.status = status or cls.status
        cls.kind = cls.kind if kind is None else kind

    def __init__(self, message: str | None = None, *, headers: Mapping[str, str] | None = None) -> None:
        self.message = message or self.__doc__ or ""
        self.headers = dict(headers or {})
        super().__init__(self.message)


class BadRequest(TaskServiceError, status=400, kind=1):
    """the request is not valid"""

    LONGEST: ClassVar = 2_000
    """Characters of a message, which may repeat what the client has written: 100 of them fit the answer to a batch."""

    def __init__(self, message: str | None = None) -> None:
        is_long = message is not None and len(message) > self.LONGEST
        super().__init__(f"{message[: self.LONGEST - 1]}…" if message and is_long else message)


class TooLarge(BadRequest, status=413):
    """the body is too large"""


class Unauthenticated(TaskServiceError, status=401, kind=0):
    """a bearer token is required"""

    EXPIRED: ClassVar = "the token has expired"

    def __init__(self, message: str | None = None, *, error: str | None = None) -> None:
        super().__init__(message)
        self.headers = {"WWW-Authenticate": _challenge(error=error, error_description=error and self.message)}

    @classmethod
    def invalid_token(cls, reason: str) -> Self:
        """The token is not accepted, for this reason."""
        return cls(reason, error="invalid_token")


class InsufficientScope(TaskServiceError, status=403, kind=0):
    """the token lacks the scope that this needs"""

    def __init__(self, scope: str) -> None:
        super().__init__(f"the token lacks the scope that this needs: {scope}")
        self.headers = {"WWW-Authenticate": _challenge(error="insufficient_scope", scope=scope)}


def _challenge(**parameters: str | None) -> str:
    """The value of WWW-Authenticate (RFC 6750, 3); it has no error if the client sent no token."""
    given = {"realm": "task-service", **parameters}
    return "Bearer " + ", ".join(f'{name}="{value}"' for name, value in given.items() if value)


class NotFound(TaskServiceError, status=404, kind=5):
    """not found"""

    @classmethod
    def task(cls) -> Self:
        """No task has this id."""
        return cls("task is not found")

    @classmethod
    def task_list(cls) -> Self:
        """No task list has this id."""
        return cls("taskList is not found")

    @classmethod
    def result(cls) -> Self:
        """The task has not ended yet."""
        return cls("no result, task is not completed")

    @classmethod
    def template(cls, noun: str) -> Self:
        """No template of this kind has this name."""
        return cls(f"{noun} not found")

    @classmethod
    def tasks_of_list(cls, names: Iterable[str]) -> Self:
        """A list's template names task templates that do not exist."""
        return cls(f"failed to create tasks for taskList: task template not found: {', '.join(map(repr, names))}")


class MethodNotAllowed(TaskServiceError, status=405, kind=0):
    """method not allowed"""


class Conflict(TaskServiceError, status=409, kind=0):
    """its state does not allow it"""

    @classmethod
    def has_ended(cls, noun: str, state: str) -> Self:
        """It cannot be cancelled any more; the noun is task or taskList."""
        return cls(f"{noun} is {state}: only one that has not ended can be cancelled")

    @classmethod
    def has_not_failed(cls, noun: str, state: str) -> Self:
        """There is nothing to replay; the noun is task or taskList."""
        return cls(f"{noun} is {state}: only one that has failed can be replayed")

    @classmethod
    def part_of_list(cls, list_id: str) -> Self:
        """A list's task is cancelled and replayed with its list."""
        return cls(f"task is a part of taskList {list_id}: this is possible for the whole list only")


class PreconditionFailed(TaskServiceError, status=412, kind=0):
    """it has been changed since, or exists already"""

    @classmethod
    def changed(cls, noun: str) -> Self:
        """The template is not the version that If-Match names."""
        return cls(f"the {noun} has been changed since, or is not there")

    @classmethod
    def exists(cls, noun: str) -> Self:
        """The template is not new, as If-None-Match wants it."""
        return cls(f"this {noun} exists already")


class KeyReused(TaskServiceError, status=422, kind=1):
    """Idempotency-Key: it was used for another request (resource, name, body, headers), use a new one"""


class TaskFailed(TaskServiceError, status=424, kind=0):
    """task failed"""

    @classmethod
    def ended_as(cls, state: str, reason: str | None) -> Self:
        """The task ended without a result: failed or cancelled, with the reason if there is one."""
        return cls(f"task {state}: {reason}" if reason else f"task {state}")


class TurnedOff(TaskServiceError, status=403, kind=0):
    """this is turned off here"""

    @classmethod
    def template_writes(cls) -> Self:
        """This deployment writes no templates."""
        return cls("writing templates is turned off in this deployment (TEMPLATE_WRITES)")


class Unavailable(TaskServiceError, status=503):
    """the service is temporarily unavailable"""

    @classmethod
    def not_ready(cls, part: str) -> Self:
        """A part that the service needs (table, queue) does not answer."""
        return cls(f"not ready: the {part} does not answer")

    @classmethod
    def token_keys(cls) -> Self:
        """No token can be verified."""
        return cls("the keys that tokens are verified with are not available")


class InternalError(TaskServiceError):
    """internal error"""
