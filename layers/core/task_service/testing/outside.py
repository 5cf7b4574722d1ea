"""What lies outside the platform, as fakes for the composition root."""

from dataclasses import dataclass, field

from task_service.ports import TokenVerifier
from task_service.testing.http_target import ScriptedTarget
from task_service.testing.policies import ScriptedPolicies
from task_service.testing.result_cache import InMemoryCache


@dataclass(kw_only=True)
class ScriptedOutside:
    """Fakes of everything outside the platform; by default without a cache service and without authentication."""

    target: ScriptedTarget = field(default_factory=ScriptedTarget)
    policies: ScriptedPolicies = field(default_factory=ScriptedPolicies)
    cache: InMemoryCache | None = None
    tokens: TokenVerifier | None = None

    @property
    def compiler(self) -> ScriptedPolicies:
        """Checks policies that are to be written."""
        return self.policies
