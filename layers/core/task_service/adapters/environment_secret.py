"""A secret that the operator puts into the environment of a host; Kubernetes fills it from a Secret."""


class EnvironmentSecret:
    """A secret as the process was started with it."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __call__(self) -> str:
        """The secret."""
        return self._text

    def forget(self) -> None:
        """Nothing changes before the process is started again with another one."""
