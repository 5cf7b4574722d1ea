"""What every implementation of the IdempotencyKeys port does."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from task_service.domain.idempotency import KeyUse
from task_service.ports import IdempotencyKeys
from tests.contract.conftest import ATOMIC

# The table of the local cloud removes what has expired by its own clock.
NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)


def key_use(key_hash: str, **changes: Any) -> KeyUse:
    values: dict[str, Any] = {"key_hash": key_hash, "id": str(uuid4()), "fingerprint": "f", "expires_at": NOW + DAY}
    return KeyUse(**(values | changes))


@pytest.fixture
def key_hash() -> str:
    return uuid4().hex


def test_a_key_stands_for_what_it_was_first_used_for(keys: IdempotencyKeys, key_hash: str) -> None:
    first = key_use(key_hash)
    assert keys.get(key_hash, now=NOW) is None
    assert keys.put(first, now=NOW) == first
    assert keys.put(key_use(key_hash, fingerprint="other"), now=NOW) == first
    assert keys.get(key_hash, now=NOW) == first


def test_a_write_that_is_repeated_meets_itself(keys: IdempotencyKeys, key_hash: str) -> None:
    use = key_use(key_hash)
    assert keys.put(use, now=NOW) == keys.put(use, now=NOW) == use


def test_keys_do_not_meet_each_other(keys: IdempotencyKeys, key_hash: str) -> None:
    one, other = key_use(key_hash), key_use(uuid4().hex)
    assert keys.put(one, now=NOW) == one
    assert keys.put(other, now=NOW) == other


def test_a_key_that_has_expired_is_free_whether_its_record_is_there_or_not(
    keys: IdempotencyKeys, key_hash: str
) -> None:
    first, second = key_use(key_hash), key_use(key_hash, expires_at=NOW + 2 * DAY)
    keys.put(first, now=NOW)
    moment = timedelta(seconds=1)
    assert keys.get(key_hash, now=NOW + DAY - moment) == first
    assert keys.put(second, now=NOW + DAY - moment) == first

    assert keys.get(key_hash, now=NOW + DAY) is None
    assert keys.put(second, now=NOW + DAY) == second
    assert keys.get(key_hash, now=NOW + DAY) == second


@ATOMIC
def test_of_many_uses_at_once_one_stands(keys: IdempotencyKeys, key_hash: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        stand = set(pool.map(lambda _: keys.put(key_use(key_hash), now=NOW), range(20)))
    assert len(stand) == 1
    assert stand == {keys.get(key_hash, now=NOW)}
