"""The policy engine of a deployment that has none."""

from datetime import datetime

from task_service.ports import CallRefused


class NoPolicies:
    """Refuses every evaluation."""

    def evaluate(self, policy: str, input_text: str, *, deadline: datetime) -> str:
        """Raises CallRefused."""
        raise CallRefused(f"policy {policy!r} cannot be evaluated: no policy engine is configured", can_retry=False)
