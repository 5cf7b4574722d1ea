"""The adapter and a target for it to call."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from task_service.adapters.http_target import RequestsTarget
from tests.targets import HttpTarget


@pytest.fixture
def target() -> Iterator[HttpTarget]:
    """A scripted HTTP target."""
    with HttpTarget() as target:
        yield target


@pytest.fixture
def client() -> Iterator[RequestsTarget]:
    """The adapter that calls it."""
    with closing(RequestsTarget()) as client:
        yield client
