"""A call of something outside, an HTTP target or a policy engine, and the two ways in which it can end."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpCall:
    """One HTTP call of a target."""

    method: str
    url: str
    headers: dict[str, str]
    body: str | None
    """JSON text; None: the call has no body."""
    redirects: bool = True
    """Whether redirects are followed; if not, an answer that redirects is an answer like any other."""
    fresh_connection: bool = False
    """Whether it goes out on a new connection: the one before may have failed because its connection was gone."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answered:
    """The target answered."""

    status: int
    result: str
    """Its answer as JSON text."""
    retry_after: str | None = None
    """Value of its Retry-After header."""
    redirects: int = 0
    """How many redirects led to it."""
    final_origin: str | None = None
    """Scheme, host and port that they led to; None: there were none."""


class CallRefused(Exception):
    """The call gave no answer that can be used."""

    def __init__(self, reason: str, *, can_retry: bool, response_code: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        """For people; it names no address."""
        self.can_retry = can_retry
        """Whether a later attempt can succeed."""
        self.response_code = response_code
        """HTTP status, where the target sent one."""
        self.retry_after: str | None = None
        """Value of the Retry-After header, where the target sent one."""
        self.redirects = 0
        self.final_origin: str | None = None
        """As in `Answered`, up to where the call failed."""
