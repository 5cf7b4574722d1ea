"""Results in the cache service: there when it is up, late when it is down, and the target never called for it."""

from collections.abc import Iterator

import pytest

from local.cloud import LocalCloud
from tests.support.api import Api, eventually
from tests.support.behaviours import answer, echo, hang
from tests.support.targets import HttpTarget
from tests.support.task_lists import create_list, ended_states, list_status, list_template
from tests.support.wire import Call

pytestmark = pytest.mark.slow

TASKS = 100


@pytest.fixture(scope="module")
def cache() -> Iterator[HttpTarget]:
    """The cache service."""
    with HttpTarget() as cache:
        cache.on("/v1/cache", answer(201))
        yield cache


@pytest.fixture(scope="module")
def cached_api(cache: HttpTarget, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """The API of a deployment with that cache service."""
    settings = {"CACHE_ADDR": cache.url("")}
    with LocalCloud(directory=tmp_path_factory.mktemp("cached"), settings=settings) as cloud:
        yield Api(cloud.api_url)


def name(call: Call, header: str) -> str:
    """A name in a header, which is UTF-8."""
    return str(call.headers[header]).encode("latin-1").decode()


def entries(cache: HttpTarget) -> dict[str, tuple[bytes, str, str]]:
    """What the cache service has been given, by key."""
    return {
        call.headers["x-cache-key"]: (call.body, name(call, "x-cache-namespace"), name(call, "x-cache-scope"))
        for call in cache.calls
    }


def test_the_result_of_a_task_is_written_with_its_namespace_and_scope(
    cached_api: Api, cache: HttpTarget, target: HttpTarget
) -> None:
    body = b'{"b": 1,  "a": 12345678901234567890}'
    name = cached_api.template(target.on("/", answer(body=body)), cacheNamespace="login", cacheScope="Zürich")
    sent = {"x-cache-namespace": "東京".encode().decode("latin-1")}
    task_id = cached_api.create(name, headers=sent)
    bare = cached_api.create(cached_api.template(target.on("/bare", answer())))
    cached_api.done(task_id)
    eventually(lambda: {task_id, bare} <= entries(cache).keys(), what="both results are in the cache")
    assert entries(cache)[task_id] == (body, "東京", "Zürich")
    assert entries(cache)[bare] == (b"{}", "", "")
    call = next(call for call in cache.calls if call.headers["x-cache-key"] == task_id)
    assert (call.method, call.headers["Content-Type"]) == ("POST", "application/json")


def test_the_status_of_a_list_is_written_under_its_id(cached_api: Api, cache: HttpTarget, target: HttpTarget) -> None:
    task = cached_api.template(target.on("/", answer()), cacheScope="task")
    bad = cached_api.template(target.on("/bad", answer(500)), retry={"maxAttempts": 1})
    name = list_template(cached_api, "cached", ("sequential", [task, bad]), ("parallel", [task]))
    list_id = create_list(cached_api, name)
    assert ended_states(cached_api, list_id)[0] == "failed"
    eventually(lambda: list_id in entries(cache), what="the list's status is in the cache")
    assert entries(cache)[list_id][0] == list_status(cached_api, list_id).body
    written = {key for key in entries(cache) if key.startswith(list_id)}
    assert written == {list_id, f"{list_id}.0.0", f"{list_id}.1.0"}
    assert entries(cache)[f"{list_id}.1.0"] == (b"{}", "", "task")


def test_while_the_cache_service_is_down_tasks_are_done_once_and_written_later(
    cached_api: Api, cache: HttpTarget, target: HttpTarget
) -> None:
    cache.on("/v1/cache", answer(503))
    name = cached_api.template(target.on("/", echo))
    task_ids = [cached_api.create(name, f'{{"n":{number}}}') for number in range(TASKS)]
    assert {status["status"] for status in cached_api.all_ended(task_ids)} == {"done"}
    assert {cached_api.result(task_id).status for task_id in task_ids} == {200}
    refused = len(cache.calls)
    assert refused >= TASKS

    cache.on("/v1/cache", answer(201))
    eventually(
        lambda: set(task_ids) <= {call.headers["x-cache-key"] for call in cache.calls[refused:]},
        what="every result is in the cache",
        seconds=120,
    )
    assert len(target.calls) == TASKS


def test_a_list_does_not_wait_with_every_task_for_a_cache_service_that_hangs(
    cached_api: Api, cache: HttpTarget, target: HttpTarget
) -> None:
    cache.on("/v1/cache", hang())
    before = len(cache.calls)
    task = cached_api.template(target.on("/", answer()))
    list_id = create_list(cached_api, list_template(cached_api, "hanging", ("sequential", [task] * 10)))
    assert ended_states(cached_api, list_id)[0] == "done"
    hung = len(cache.calls)
    assert hung - before < 10

    cache.on("/v1/cache", answer(201))
    keys = {list_id, *(f"{list_id}.0.{position}" for position in range(10))}
    eventually(
        lambda: keys <= {call.headers["x-cache-key"] for call in cache.calls[hung:]},
        what="every result and the list's status are in the cache",
        seconds=120,
    )
    assert len(target.calls) == 10
