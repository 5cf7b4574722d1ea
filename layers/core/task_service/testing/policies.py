"""Policies as Python functions."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from task_service.domain.call import CallRefused
from task_service.domain.policy import Policy
from task_service.ports import PolicyCompiler, PolicyEngine


@dataclass
class ScriptedPolicies(PolicyEngine, PolicyCompiler):
    """Policies by name, each a function of the input's JSON text."""

    policies: dict[str, Callable[[str], str]] = field(default_factory=dict)

    def evaluate(self, policy: str, input_text: str, *, deadline: datetime) -> str:
        if policy not in self.policies:
            raise CallRefused(f"policy {policy!r} is not known", can_retry=False)
        return self.policies[policy](input_text)

    def check(self, name: str, policy: Policy) -> None:
        """Compile a policy: each one is good."""
