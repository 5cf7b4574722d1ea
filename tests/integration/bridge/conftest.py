"""Bridges between a NATS server and an SQS server of the test's own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.nats import Bridge, NatsServer
from tests.support.sqs_server import SqsServer
from tests.support.waiting import wait_until

StartBridge = Callable[..., Bridge]


@pytest.fixture
def sqs() -> Iterator[SqsServer]:
    with SqsServer() as server:
        yield server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    with NatsServer(tmp_path) as server:
        yield server


@pytest.fixture
def start_bridge(tmp_path: Path, server: NatsServer, sqs: SqsServer) -> Iterator[StartBridge]:
    """Starts bridges, by default between the two servers, and returns each when events would pass."""
    with ExitStack() as stack:

        def start(*, well: bool = True, **settings: str) -> Bridge:
            bridge = Bridge(tmp_path, sqs.environment, **{"NATS_ADDR": server.url, **settings})
            stack.enter_context(bridge)
            if well:
                wait_until(bridge.is_well)
            return bridge

        yield start


DURABLE = {"NATS_STREAM": "events", "NATS_ACK_WAIT_SECONDS": "1"}
"""The settings of a bridge whose events JetStream keeps."""
BOTH = pytest.mark.parametrize("mode", [{}, DURABLE], ids=["core", "jetstream"])
