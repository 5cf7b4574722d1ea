"""The cache service over HTTP: what a write looks like, and which refusals are worth another one."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from task_service.adapters.cache_service import CacheService
from task_service.adapters.http.client import HttpClient
from task_service.adapters.http.connections import Dialler
from task_service.adapters.http.egress import anywhere
from task_service.domain.call import CallRefused
from task_service.wiring.services import utc_now
from tests.support.behaviours import answer
from tests.support.targets import HttpTarget


@pytest.fixture
def service() -> Iterator[HttpTarget]:
    with HttpTarget() as service:
        yield service


@pytest.fixture
def cache(service: HttpTarget) -> Iterator[CacheService]:
    with closing(HttpClient(Dialler(permits=anywhere), clock=utc_now)) as calls:
        yield CacheService(
            address=service.url(""), target=calls, clock=lambda: datetime.now(UTC), user_agent="task-service/test"
        )


def write(cache: CacheService, *, namespace: str = "", scope: str = "") -> None:
    deadline = datetime.now(UTC) + timedelta(seconds=10)
    cache.write("k", '{"é":"€"}', namespace=namespace, scope=scope, deadline=deadline)


@pytest.mark.parametrize("status", [200, 201])
def test_a_write_goes_out_as_it_is(service: HttpTarget, cache: CacheService, status: int) -> None:
    service.on("/v1/cache", answer(status))

    write(cache, scope="s")

    (call,) = service.calls
    assert (call.method, call.path, call.body.decode()) == ("POST", "/v1/cache", '{"é":"€"}')
    names = ("Content-Type", "User-Agent", "x-cache-key", "x-cache-namespace", "x-cache-scope", "Authorization")
    assert [call.headers[name] for name in names] == ["application/json", "task-service/test", "k", "", "s", None]


@pytest.mark.parametrize("name", ["Zürich", "東京", "a b\tc", "\u3000"])
def test_names_go_out_as_utf_8(service: HttpTarget, cache: CacheService, name: str) -> None:
    service.on("/v1/cache", answer(201))

    write(cache, namespace=name, scope=f"{name}/{name}")

    (call,) = service.calls
    sent = [call.headers[header].encode("latin-1").decode() for header in ("x-cache-namespace", "x-cache-scope")]
    assert sent == [name, f"{name}/{name}"]


@pytest.mark.parametrize("status", [204, 400, 401, 403, 404, 413, 422, 429, 431, 503])
def test_only_what_is_about_the_write_itself_refuses_it_for_good(
    service: HttpTarget, cache: CacheService, status: int
) -> None:
    service.on("/v1/cache", answer(status, b""))

    with pytest.raises(CallRefused) as caught:
        write(cache)

    assert caught.value.reason == f"the cache service answered {status}"
    assert caught.value.can_retry == (status not in (413, 422, 431))
