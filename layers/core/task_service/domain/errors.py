"""Every error that a client can see, and what the ports raise.

    TaskServiceError
    ├── BadRequest            400  kind 1  the request cannot be understood or is not allowed
    │   └── TooLarge          413  kind 1
    ├── Unauthenticated       401  kind 0  there is no token, or it is not accepted
    ├── InsufficientScope     403  kind 0  the token does not allow it
    ├── NotFound              404  kind 5
    ├── MethodNotAllowed      405  kind 0
    ├── Conflict              409  kind 0  its state does not allow it
    ├── PreconditionFailed    412  kind 0  somebody else changed it
    ├── KeyReused             422  kind 1  the idempotency key was used for another request
    ├── TaskFailed            424  kind 0  there is no result, the task failed
    ├── TurnedOff             403  kind 0  this deployment does not offer it
    ├── Unavailable           503  kind 7  table, queue or bucket does not answer; nothing was promised
    └── (any other exception) 500  kind 7

The kinds are those of the service's first generation (1 bad request, 5 not found, 7 internal, 0 other).
"""

from collections.abc import Mapping
from typing import ClassVar


class TaskServiceError(Exception):
    """The service cannot do what was asked."""

    status: ClassVar[int] = 500
    kind: ClassVar[int] = 7

    def __init__(self, message: str | None = None, *, headers: Mapping[str, str] | None = None) -> None:
        self.message = message or self.__doc__ or ""
        self.headers = dict(headers or {})
        super().__init__(self.message)


class BadRequest(TaskServiceError):
    """the request is not valid"""

    status = 400
    kind = 1


class TooLarge(BadRequest):
    """the body is too large"""

    status = 413


class Unauthenticated(TaskServiceError):
    """a bearer token is required"""

    status = 401
    kind = 0

    def __init__(self, message: str | None = None, *, error: str | None = None) -> None:
        super().__init__(message)
        self.headers = {"WWW-Authenticate": _challenge(error=error, error_description=error and self.message)}


class InsufficientScope(TaskServiceError):
    """the token lacks the scope that this needs"""

    status = 403
    kind = 0

    def __init__(self, scope: str) -> None:
        super().__init__(f"the token lacks the scope that this needs: {scope}")
        self.headers = {"WWW-Authenticate": _challenge(error="insufficient_scope", scope=scope)}


def _challenge(**parameters: str | None) -> str:
    """What a client has to bring (RFC 6750, 3); without an error where it has brought nothing."""
    given = {"realm": "task-service", **parameters}
    return "Bearer " + ", ".join(f'{name}="{value}"' for name, value in given.items() if value)


class NotFound(TaskServiceError):
    """not found"""

    status = 404
    kind = 5


class MethodNotAllowed(TaskServiceError):
    """method not allowed"""

    status = 405
    kind = 0


class Conflict(TaskServiceError):
    """its state does not allow it"""

    status = 409
    kind = 0


class PreconditionFailed(TaskServiceError):
    """it has been changed since, or exists already"""

    status = 412
    kind = 0


class KeyReused(TaskServiceError):
    """Idempotency-Key: it was used for another request (resource, name, body, cache headers), use a new one"""

    status = 422
    kind = 1


class TaskFailed(TaskServiceError):
    """task failed"""

    status = 424
    kind = 0


class TurnedOff(TaskServiceError):
    """this is turned off here"""

    status = 403
    kind = 0


class Unavailable(TaskServiceError):
    """the service is temporarily unavailable"""

    status = 503
