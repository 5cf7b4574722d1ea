"""The adapter and a target for it to call."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from task_service.adapters.http.client import HttpClient
from task_service.adapters.http.connections import Dialler
from task_service.adapters.http.egress import Egress
from tests.support.builders import NOW
from tests.support.targets import HttpTarget

LOOPBACK_OPEN = Egress.from_text("127.0.0.0/8, ::1")


@pytest.fixture
def target() -> Iterator[HttpTarget]:
    """A scripted HTTP target."""
    with HttpTarget() as target:
        yield target


@pytest.fixture
def client() -> Iterator[HttpClient]:
    """The adapter that calls it; loopback is open, and nothing else that is not public."""
    with closing(HttpClient(Dialler(permits=LOOPBACK_OPEN.permits), clock=lambda: NOW)) as client:
        yield client
