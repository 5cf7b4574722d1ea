"""What can go wrong with the local cloud, in words for the person at the terminal."""


class LocalCloudError(Exception):
    """The local cloud cannot do what was asked of it."""


class PortInUseError(LocalCloudError):
    """Another program has a port that the local cloud needs."""

    def __init__(self, port: int, variable: str) -> None:
        super().__init__(f"port {port} is in use: stop what listens there, or choose another with {variable}=<port>")


class RefusedError(LocalCloudError):
    """A server has answered, and not well."""

    def __init__(self, method: str, url: str, status: int, reason: str) -> None:
        super().__init__(f"{method} {url} is answered with {status}: {reason}")
        self.status = status
