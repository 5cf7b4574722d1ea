"""What the tests of taskctl share: two kinds of services that it talks to over HTTP."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.http_front import HttpFront
from tests.support.targets import HttpTarget
from tests.unit.test_api import World


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of the person who runs the tests, and no pause before a read is repeated."""
    monkeypatch.setattr("taskctl.api._GET_PAUSES", (0.0, 0.0))
    for name in ("TASKCTL_TOKEN", "TASKCTL_PROFILE", "TASKCTL_CA_FILE", "NATS_ADDR", "NATS_SUBJECT", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TASKCTL_CONFIG", str(tmp_path / "none.toml"))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def world() -> World:
    """The API on fakes."""
    return World()


@pytest.fixture
def service(world: World) -> Iterator[str]:
    """The address at which the API on fakes is served."""

    context = SimpleNamespace(aws_request_id="r", get_remaining_time_in_millis=lambda: 28_000)

    def answer(event: dict[str, Any]) -> dict[str, Any]:
        try:
            return world.api.resolve(event, context)
        finally:
            world.metrics.clear_metrics()

    with HttpFront(answer) as front:
        yield front.url


@pytest.fixture
def scripted() -> Iterator[HttpTarget]:
    """A service that behaves as a test says."""
    with HttpTarget() as target:
        yield target
