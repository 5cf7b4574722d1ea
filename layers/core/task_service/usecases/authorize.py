"""Authorization: which callers may use the API, and which may change how the service works."""

from dataclasses import dataclass

from task_service.domain.errors import InsufficientScope, Unauthenticated
from task_service.domain.identity import Caller
from task_service.ports import TokenVerifier


@dataclass(frozen=True, kw_only=True, slots=True)
class Authorizer:
    """Admits callers whose token is accepted."""

    tokens: TokenVerifier
    admin_scope: str
    """The scope that administrators have; empty: every caller is one."""

    def admit(self, token: str | None) -> Caller:
        """The caller with this token. Raises Unauthenticated, and Unavailable if no token can be verified now."""
        if token is None:
            raise Unauthenticated
        return self.tokens.verify(token)

    def check_admin(self, caller: Caller) -> None:
        """Check that the caller may change templates and policies. Raises InsufficientScope."""
        if self.admin_scope and self.admin_scope not in caller.scopes:
            raise InsufficientScope(self.admin_scope)
