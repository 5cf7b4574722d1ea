"""The ports of the local cloud, and how each is claimed."""

import errno
import ipaddress
import random
import socket
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Self

from local.errors import LocalCloudError, PortInUseError

HOST = "127.0.0.1"
# A client that connects before the server process runs waits here.
BACKLOG = 512
# Below what systems give to connections that go out: none takes such a port before the server does.
NEVER_OUTGOING = range(20_000, 32_000)
TRIES = 100


@dataclass(frozen=True, kw_only=True)
class Ports:
    """Where the local cloud and own servers listen; 0 chooses a free port."""

    cloud: int = 4566
    """The AWS services, in the local cloud only. Set with CLOUD_PORT."""
    metrics: int = 8085
    """The host's metrics, on own servers only. Set with METRICS_PORT."""
    task: int = 8082
    """The API. Set with TASK_PORT."""
    target: int = 8083
    """The demo target. Set with TARGET_PORT."""
    nats: int = 4222
    """The NATS server. Set with NATS_PORT."""
    bridge: int = 8084
    """The bridge's health and metrics. Set with BRIDGE_PORT."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """The ports that the variables choose. Raises LocalCloudError."""
        chosen: dict[str, int] = {}
        for port in fields(cls):
            variable = f"{port.name.upper()}_PORT"
            value = environment.get(variable) or str(port.default)
            if not value.isascii() or not value.isdigit() or int(value) > 65535:
                raise LocalCloudError(f"{variable} is no port number: {value!r}")
            chosen[port.name] = int(value)
        return cls(**chosen)


FREE_PORTS = Ports(cloud=0, metrics=0, task=0, target=0, nats=0, bridge=0)


def listen(port: int, variable: str, host: str = HOST) -> socket.socket:
    """A socket that listens on the port already, for a server process to inherit."""
    listener = socket.socket()
    # Connections of an earlier run that still fade away do not keep the port.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortInUseError(port, variable) from error
        raise LocalCloudError(f"cannot listen on port {port} of {host} ({variable}): {error.strerror}") from error
    return listener


def claim(port: int, variable: str) -> int:
    """The port, or a free one for 0, for a server that can only be told a number."""
    for number in [port] if port else random.sample(NEVER_OUTGOING, TRIES):
        try:
            with listen(number, variable):
                return number
        except PortInUseError:
            if port:
                raise
    raise LocalCloudError(f"no free port is found ({variable})")


def parse_host(value: str, variable: str) -> str:
    """The address at which the local cloud also listens, as an environment variable names it."""
    try:
        address = ipaddress.IPv4Address(value)
    except ValueError as error:
        raise LocalCloudError(f"{variable} is no IPv4 address: {value!r}") from error
    # The ports of the local cloud at 127.0.0.1 are part of 0.0.0.0, which is also open to the network.
    if address.is_unspecified or value == HOST:
        raise LocalCloudError(f"{variable} is {value}; an address of one network is expected, such as Docker's")
    return value
