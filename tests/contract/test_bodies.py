"""What every implementation of the Bodies port does."""

import json
from uuid import uuid4

import pytest

from task_service.domain.errors import NotFound
from task_service.domain.task import Body
from task_service.ports import Bodies
from tests.contract.conftest import AWS


@pytest.mark.parametrize("text", ['{"b": 1,  "a": 123456789012345678901}', json.dumps("ü" * 100_000)])
def test_a_body_is_loaded_as_it_was_stored(bodies: Bodies, text: str) -> None:
    assert bodies.load(bodies.store(f"requests/{uuid4()}", text)) == text


def test_only_a_large_body_goes_under_its_key(bodies: Bodies) -> None:
    key = f"requests/{uuid4()}"
    small, large = "1" * 32_000, "1" * 32_001
    assert bodies.store(key, small) == Body(text=small)
    assert bodies.store(key, large) == Body(blob=key)


@AWS
def test_a_body_that_is_gone_is_not_found(bodies: Bodies) -> None:
    with pytest.raises(NotFound):
        bodies.load(Body(blob=f"requests/{uuid4()}"))
