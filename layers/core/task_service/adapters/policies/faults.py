"""The reasons why a policy is refused or has no result.

Fault           the policy cannot be compiled or evaluated
└── Refused     the engine would do it differently than OPA
"""


class Fault(Exception):
    """The policy cannot be compiled or evaluated; the message says why."""


class Refused(Fault):
    """The engine is not known to give what OPA gives; the message says for what."""
