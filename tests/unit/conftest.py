"""What the unit tests share."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.gateway import GATEWAYS


@pytest.fixture(params=GATEWAYS)
def gateway(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, Any]], Any]:
    """Each kind of API in turn: makes its event of a REST API's, and is the one behind which a World stands."""
    from tests.unit.test_api import World

    made = GATEWAYS[request.param]
    monkeypatch.setattr(World, "gateway", staticmethod(made))
    return made
