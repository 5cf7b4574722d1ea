"""What the service calls outside its platform: HTTP targets, policies, the cache service, the keys of tokens.

A test passes its own; a deployment makes them of its settings.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from task_service import VERSION

if TYPE_CHECKING:
    # A cold start pays for every module that it imports, and only some requests need these.
    from collections.abc import Callable

    from task_service.adapters.identity.oauth import ClientCredentials
    from task_service.adapters.policies.embedded import EmbeddedPolicies
    from task_service.domain.policy import Policy
    from task_service.ports import (
        CachedTemplates,
        Clock,
        HttpTarget,
        PolicyCompiler,
        PolicyEngine,
        ResultCache,
        TokenVerifier,
    )
    from task_service.wiring.platform import Platform
    from task_service.wiring.settings import Settings

USER_AGENT = f"task-service/{VERSION}"


class Outside(Protocol):
    """The ports to what lies outside the platform, each made when it is first used."""

    @property
    def target(self) -> HttpTarget:
        """Calls the targets of tasks."""

    @property
    def policies(self) -> PolicyEngine:
        """Evaluates policies."""

    @property
    def compiler(self) -> PolicyCompiler:
        """Checks policies that are to be written."""

    @property
    def cache(self) -> ResultCache | None:
        """The cache service; None: there is none."""

    @property
    def tokens(self) -> TokenVerifier | None:
        """Verifies the tokens of callers; None: every caller is let in."""


@dataclass(frozen=True, kw_only=True)
class RealOutside:
    """The real ones, made of a deployment's settings."""

    settings: Settings
    platform: Platform
    stored_policies: Callable[[], CachedTemplates[Policy]]
    clock: Clock

    @cached_property
    def target(self) -> HttpTarget:
        """Calls targets, where the deployment's fence lets it."""
        from task_service.adapters.http.client import HttpClient
        from task_service.adapters.http.connections import Dialler
        from task_service.adapters.http.egress import Egress

        return HttpClient(Dialler(permits=Egress.from_text(self.settings.egress_allow).permits), clock=self.clock)

    @cached_property
    def policies(self) -> PolicyEngine:
        """The policy service, or the engine in this function."""
        if not self.settings.policy_address:
            return self.compiler
        from task_service.adapters.policies.remote import RemotePolicies

        return RemotePolicies(
            address=self.settings.policy_address,
            user_agent=USER_AGENT,
            token=self.service_token,
            clock=self.clock,
        )

    @cached_property
    def compiler(self) -> EmbeddedPolicies:
        """The engine in this function."""
        from task_service.adapters.policies.embedded import EmbeddedPolicies

        timeout = self.settings.policy_timeout
        return EmbeddedPolicies(policies=self.stored_policies(), clock=self.clock, timeout=timeout)

    @cached_property
    def cache(self) -> ResultCache | None:
        """The cache service at CACHE_ADDR, which is the operator's own setting and so not fenced."""
        if not self.settings.cache_address:
            return None
        from task_service.adapters.cache_service import CacheService
        from task_service.adapters.http.client import HttpClient
        from task_service.adapters.http.connections import Dialler
        from task_service.adapters.http.egress import anywhere

        return CacheService(
            address=self.settings.cache_address,
            target=HttpClient(Dialler(permits=anywhere), clock=self.clock),
            clock=self.clock,
            user_agent=USER_AGENT,
            token=self.service_token,
        )

    @cached_property
    def tokens(self) -> TokenVerifier | None:
        """Verifies tokens with the keys at AUTH_JWK_URL."""
        auth = self.settings.auth
        if auth is None:
            return None
        # PyJWT and what it verifies with are 45 ms of import; a deployment without authentication does not pay them.
        from task_service.adapters.identity.jwks import Jwks, fetch_from
        from task_service.adapters.identity.jwt import JwtVerifier

        keys = Jwks(fetch_from(auth.jwk_url), interval=auth.refresh_interval, clock=self.clock)
        return JwtVerifier(keys=keys, audience=auth.audience, issuer=auth.issuer, clock=self.clock)

    @cached_property
    def service_token(self) -> ClientCredentials | None:
        """Gets the token for calls of the policy service and the cache service; None: they need none."""
        oauth = self.settings.oauth
        if oauth is None:
            return None
        from task_service.adapters.identity.oauth import ClientCredentials

        secret = self.platform.secret(oauth)
        return ClientCredentials(token_url=oauth.token_url, client_id=oauth.client_id, secret=secret, clock=self.clock)
