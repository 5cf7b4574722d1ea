"""The refusal of what the engine would do differently than OPA."""


class Refused(Exception):
    """What a function would give is not known to be what OPA gives; the message says of what."""
