"""Who may do what: the one place where requests are let in."""

from dataclasses import dataclass
from typing import Final

from task_service.domain.errors import InsufficientScope, Unauthenticated
from task_service.domain.identity import Caller, bearer_token
from task_service.ports import TokenVerifier

_WRITING: Final = frozenset({"PUT", "PATCH", "DELETE"})
"""What changes how the service works, as opposed to POST, which gives it work."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Authorizer:
    """Lets in whoever has a token that is accepted."""

    tokens: TokenVerifier
    admin_scope: str
    """The scope that writing needs; empty: none."""

    def admit(self, authorization: str | None) -> Caller:
        """The caller with this Authorization header. Raises Unauthenticated, and Unavailable where nobody can tell."""
        token = bearer_token(authorization)
        if token is None:
            raise Unauthenticated("a bearer token is required")
        return self.tokens.verify(token)

    def allow(self, caller: Caller, method: str) -> None:
        """Return where the caller may use this method. Raises InsufficientScope."""
        if self.admin_scope and method in _WRITING and self.admin_scope not in caller.scopes:
            raise InsufficientScope(self.admin_scope)
