"""Searching: what may be asked, how shards become one order, and how answers look."""

import base64
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from task_service.adapters.aws.dynamodb.batches import MAX_KEYS, READ_PAUSES, read_many
from task_service.adapters.aws.dynamodb.shard_merge import Merge
from task_service.adapters.aws.dynamodb.table import Table
from task_service.adapters.aws.dynamodb.values import SHARDS, shard_value
from task_service.domain.errors import BadRequest, Unavailable
from task_service.domain.paging import PageRequest, encode_cursor, id_of, is_sort_key, sort_key, sort_key_at
from task_service.domain.search import Filter
from task_service.domain.task import State
from task_service.domain.task_list import GroupState
from task_service.entrypoints.api.parameters import page_request, search_request
from task_service.entrypoints.api.request import Request
from tests.support import builders
from tests.support.builders import NOW, task
from tests.unit.test_api import World, assert_problem

pytestmark = pytest.mark.usefixtures("gateway")

MILLISECOND = timedelta(milliseconds=1)


class TestSortKeys:
    moments = st.timedeltas(timedelta(), timedelta(days=2_900_000)).map(
        lambda age: datetime(1970, 1, 1, tzinfo=UTC) + age
    )

    @given(moments, moments)
    def test_their_order_is_that_of_creation(self, one: datetime, other: datetime) -> None:
        one, other = (moment.replace(microsecond=moment.microsecond // 1000 * 1000) for moment in (one, other))
        assert (sort_key(one, "z") < sort_key(other, "a")) == (one < other or (one == other and "z" < "a"))

    @given(moments, moments)
    def test_all_from_a_moment_on_is_behind_its_start(self, created_at: datetime, moment: datetime) -> None:
        created_at = created_at.replace(microsecond=created_at.microsecond // 1000 * 1000)
        assert (sort_key(created_at, "x") > sort_key_at(moment)) == (created_at >= moment)

    def test_a_moment_long_ago_is_before_everything(self) -> None:
        assert sort_key_at(datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))) < sort_key(NOW, "x")

    def test_a_sort_key_names_its_record(self) -> None:
        assert id_of(sort_key(NOW, "a#b")) == "a#b"

    @pytest.mark.parametrize(
        "text", ["", "a", "1#a", f"{1:015}", f"{1:015}#", f"{1:015}a", f"{1:016}#a", f"{'²' * 15}#a"]
    )
    def test_what_is_none_is_known(self, text: str) -> None:
        assert is_sort_key(sort_key(NOW, "a"))
        assert not is_sort_key(text)

    def test_shards_are_used_alike_and_always_the_same_for_an_id(self) -> None:
        keys = [shard_value("TASK", str(number))["S"] for number in range(12_000)]
        assert {keys.count(f"TASK#{shard}") // 100 for shard in range(SHARDS)} <= {8, 9, 10, 11}
        assert shard_value("TASK", "a") == {"S": "TASK#3"}


class TestParameters:
    def test_nothing_has_to_be_said(self) -> None:
        assert search({}) == (Filter(), PageRequest(limit=50, after=None))

    def test_everything_can_be(self) -> None:
        key = sort_key(NOW, "a")
        asked = search(
            {
                "name": "a b",
                "state": "failed",
                "since": "2026-01-01T00:00:00Z",
                "until": "2026-01-01T02:00:00+01:00",
                "limit": "100",
                "next": encode_cursor("/v1/tasks", key),
            }
        )
        wanted = Filter(name="a b", state=State.FAILED, since=NOW, until=NOW + timedelta(hours=1))
        assert asked == (wanted, PageRequest(limit=100, after=key))

    @pytest.mark.parametrize(
        "text",
        [
            "2026-01-01T00:00:00Z",
            "2026-01-01t00:00:00z",
            "2026-01-01 00:00:00.000000000Z",
            "2026-01-01T01:00:00+01:00",
            # As it arrives where the plus sign is not encoded.
            "2026-01-01T01:00:00 01:00",
            "2025-12-31T23:00:00-01:00",
        ],
    )
    def test_a_time_is_that_of_rfc_3339(self, text: str) -> None:
        assert search({"since": text})[0].since == NOW

    @pytest.mark.parametrize("name", ["since", "until"])
    @pytest.mark.parametrize(
        "text",
        [
            "",
            "yesterday",
            "2026-01-01",
            "2026-01-01T00:00:00",
            "20260101T000000Z",
            "2026-W01-1T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-01-01T25:00:00Z",
            "2026-01-01T00:00:00+25:00",
            "٢٠٢٦-01-01T00:00:00Z",
            "1767225600",
        ],
    )
    def test_another_time_is_refused(self, name: str, text: str) -> None:
        with pytest.raises(BadRequest) as refusal:
            search({name: text})
        assert refusal.value.message == (
            f"{name}: {text!r} is not a time as in RFC 3339, for example 2026-01-31T12:00:00Z"
        )

    @pytest.mark.parametrize(
        ("parameters", "fault"),
        [
            ({"state": "running"}, "state: 'running' is none of created, pending, done, failed, cancelled"),
            ({"state": ""}, "state: '' is none of created, pending, done, failed, cancelled"),
            ({"state": "Failed"}, "state: 'Failed' is none of created, pending, done, failed, cancelled"),
            ({"name": ""}, "name: it is empty, the name of a template is expected"),
            ({"limit": "0"}, "limit: '0' is not a number from 1 to 100"),
            ({"limit": "101"}, "limit: '101' is not a number from 1 to 100"),
            ({"limit": "x"}, "limit: 'x' is not a number from 1 to 100"),
            ({"since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"}, "since: it is after until"),
            ({"next": "%"}, "next: not a cursor that this service has given"),
            ({"next": encode_cursor("/v1/tasks", "greet")}, "next: not a cursor that this service has given"),
            (
                {"next": encode_cursor("/v1/taskLists", sort_key(NOW, "a"))},
                "next: not a cursor that this service has given",
            ),
            ({"next": ""}, "next: not a cursor that this service has given"),
            (
                {"status": "failed"},
                "status: is not a parameter of this; name, state, since, until, limit, next are",
            ),
        ],
    )
    def test_what_is_wrong_is_said(self, parameters: dict[str, str], fault: str) -> None:
        with pytest.raises(BadRequest) as refusal:
            search(parameters)
        assert refusal.value.message == fault

    @pytest.mark.parametrize("limit", ["0", "101", "-1", "x", "", "9" * 9, "²"])
    def test_a_limit_out_of_bounds_is_refused(self, limit: str) -> None:
        for read in (page_request, search_request):
            with pytest.raises(BadRequest, match=r"limit: .* is not a number from 1 to 100"):
                read(request({"limit": limit}))

    @pytest.mark.parametrize(
        ("text", "moment"),
        [
            ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
            ("2016-12-31T23:59:60.999Z", datetime(2017, 1, 1, tzinfo=UTC)),
            ("2017-01-01T00:59:60+01:00", datetime(2017, 1, 1, tzinfo=UTC)),
            ("2016-12-31t23:59:59.5z", datetime(2016, 12, 31, 23, 59, 59, 500_000, tzinfo=UTC)),
        ],
    )
    def test_a_leap_second_is_a_time(self, text: str, moment: datetime) -> None:
        assert search({"since": text})[0].since == moment

    @pytest.mark.parametrize(
        "text",
        [
            "2016-12-31T12:00:60Z",
            "2016-12-30T23:59:60Z",
            "2016-12-31T23:59:61Z",
            "2016-12-31T23:59:60+01:00",
            "9999-12-31T23:59:60Z",
        ],
    )
    def test_at_another_time_of_the_day_there_is_none(self, text: str) -> None:
        with pytest.raises(BadRequest, match=r"since: .* is not a time as in RFC 3339"):
            search({"since": text})

    def test_a_page_of_templates_goes_on_after_a_name(self) -> None:
        query = {"limit": "7", "next": encode_cursor("/v1/tasks", "greet")}
        assert page_request(request(query)) == PageRequest(limit=7, after="greet")


def request(query: dict[str, str]) -> Request:
    """A request with these query parameters."""
    several = {name: ["overridden", value] for name, value in query.items()}
    event = {"httpMethod": "GET", "resource": "/v1/tasks", "multiValueQueryStringParameters": several}
    return Request.from_event(event, None)


def search(query: dict[str, str]) -> tuple[Filter, PageRequest]:
    """The search that these query parameters ask for."""
    return search_request(request(query))


class TestMerging:
    @staticmethod
    def read(shards: dict[str, list[int]], merge: Merge, size: int, wanted: int) -> int:
        """Read up to `size` numbers of each shard to read, which holds them in descending order; how many shards."""
        unread = merge.shards_to_read(wanted)
        for shard in unread:
            left = [
                number for number in shards[shard.key] if number < (1_000 if shard.resume is None else shard.resume)
            ]
            read = left[:size]
            more = len(left) > size
            places = [f"{number:03}" for number in read]
            merge.add(shard, places, reached=places[-1] if more else None, resume=read[-1] if more else None)
        return len(unread)

    @given(
        st.sets(st.integers(0, 999), max_size=60),
        st.randoms(use_true_random=False),
        st.integers(1, 9),
        st.integers(1, 20),
    )
    def test_everything_comes_once_and_in_order(self, numbers: set[int], draw: Any, size: int, wanted: int) -> None:
        shards: dict[str, list[int]] = {"a": [], "b": [], "c": []}
        for number in sorted(numbers, reverse=True):
            shards[draw.choice("abc")].append(number)
        merge = Merge(shards, before=":")
        taken: list[int] = []
        while not merge.has_ended:
            assert self.read(shards, merge, size, wanted) > 0
            frontier = merge.frontier
            places = merge.take()
            assert all(place >= frontier for place in places)
            taken += [int(place) for place in places]
            # A new search from the frontier would find exactly what is left.
            assert sorted(taken, reverse=True) == [n for n in sorted(numbers, reverse=True) if f"{n:03}" >= frontier]
        assert taken == sorted(numbers, reverse=True)

    def test_only_shards_that_could_have_something_newer_are_read_on(self) -> None:
        shards = {"old": [9, 8, 7], "new": [99, 98, 97, 96]}
        merge = Merge(shards, before=":")
        assert self.read(shards, merge, 2, 2) == 2
        assert merge.shards_to_read(1) == []
        assert [shard.key for shard in merge.shards_to_read(3)] == ["new"]
        assert [shard.key for shard in merge.shards_to_read()] == ["old", "new"]
        assert merge.take(1) == ["099"]
        assert merge.take() == ["098"]
        assert merge.take() == []

    def test_the_place_that_it_goes_on_from_is_not_read_again(self) -> None:
        merge = Merge(["a"], before="005")
        merge.add(merge.shards_to_read(1)[0], ["005", "004"], reached=None, resume=None)
        assert merge.take() == ["004"]
        assert merge.has_ended


@dataclass
class Forgetful:
    """A DynamoDB that answers only so many keys of each request."""

    answers: int
    requests: list[int] = field(default_factory=list)

    def call(self, operation: str, /, **parameters: Any) -> dict[str, Any]:
        assert operation == "BatchGetItem"
        [(table, asked)] = parameters["RequestItems"].items()
        assert asked["ConsistentRead"]
        keys = asked["Keys"]
        self.requests.append(len(keys))
        rest = {table: {**asked, "Keys": keys[self.answers :]}} if keys[self.answers :] else {}
        return {"Responses": {table: keys[: self.answers]}, "UnprocessedKeys": rest}


class TestReadingMany:
    def read(self, client: Forgetful, count: int, pauses: list[float]) -> list[Any]:
        keys = [{"pk": {"S": str(number)}} for number in range(count)]
        with ThreadPoolExecutor(2) as threads:
            return read_many(Table(client=client, name="t"), keys, ("pk",), threads=threads, pause=pauses.append)

    def test_requests_have_no_more_keys_than_are_allowed(self) -> None:
        client, pauses = Forgetful(answers=1_000), list[float]()
        assert len(self.read(client, 250, pauses)) == 250
        assert sorted(client.requests) == [50, MAX_KEYS, MAX_KEYS]
        assert pauses == []

    def test_nothing_is_asked_for_nothing(self) -> None:
        client = Forgetful(answers=1)
        assert self.read(client, 0, []) == []
        assert client.requests == []

    def test_what_was_left_out_is_asked_for_again_later(self) -> None:
        client, pauses = Forgetful(answers=20), list[float]()
        assert [item["pk"]["S"] for item in self.read(client, 50, pauses)] == [str(number) for number in range(50)]
        assert client.requests == [50, 30, 10]
        assert pauses == list(READ_PAUSES[:2])

    def test_what_is_always_left_out_is_not_available(self) -> None:
        client, pauses = Forgetful(answers=0), list[float]()
        with pytest.raises(Unavailable, match="left out again and again"):
            self.read(client, 1, pauses)
        assert pauses == list(READ_PAUSES)
        assert len(client.requests) == len(READ_PAUSES) + 1


class TestAnswers:
    def ask(self, world: World, path: str, **parameters: str) -> Any:
        query = {name: ["overridden", value] for name, value in parameters.items()}
        return world.ask("GET", path, multiValueQueryStringParameters=query or None)

    def test_a_task_looks_as_in_its_status_but_has_no_history(self, world: World) -> None:
        world.tasks.records["t"] = task("t", state=State.DONE, started_at=NOW)
        answer = self.ask(world, "/v1/tasks")
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "application/json"
        status = world.ask("GET", "/v1/taskStatus/t").json
        assert len(status.pop("history")) == 1
        assert answer.json == {"items": [status], "next": None}

    def test_a_list_is_one_line(self, world: World) -> None:
        world.lists.lists["l"] = builders.task_list("l")
        world.lists.groups["l", 0] = GroupState(index=0, state=State.PENDING)
        assert self.ask(world, "/v1/taskLists").json == {
            "items": [
                {
                    "id": "l",
                    "name": "many",
                    "status": "pending",
                    "createdAt": "2026-01-01T00:00:00.000Z",
                    "finishedAt": None,
                }
            ],
            "next": None,
        }

    @pytest.mark.parametrize("path", ["/v1/tasks", "/v1/taskLists"])
    def test_pages_lead_to_each_other(self, world: World, path: str) -> None:
        for number in range(5):
            created_at = NOW + number * MILLISECOND
            world.tasks.records[str(number)] = task(str(number), created_at=created_at)
            world.lists.lists[str(number)] = builders.task_list(str(number), created_at=created_at)
        found: list[str] = []
        page = self.ask(world, path, limit="2").json
        while page["next"] is not None:
            found += [item["id"] for item in page["items"]]
            page = self.ask(world, path, limit="2", next=page["next"]).json
        assert found + [item["id"] for item in page["items"]] == ["4", "3", "2", "1", "0"]

    def test_filters_go_together(self, world: World) -> None:
        for number, (name, state) in enumerate([("a", State.FAILED), ("a", State.DONE), ("b", State.FAILED)]):
            created_at = NOW + timedelta(hours=number)
            world.tasks.records[str(number)] = task(str(number), name=name, state=state, created_at=created_at)
        page = self.ask(world, "/v1/tasks", name="a", state="failed", until="2026-01-01T01:00:00Z").json
        assert [item["id"] for item in page["items"]] == ["0"]

    @pytest.mark.parametrize("path", ["/v1/tasks", "/v1/taskLists"])
    def test_a_wrong_question_is_refused(self, world: World, path: str) -> None:
        answer = self.ask(world, path, state="lost")
        assert_problem(answer, 400, 1, "state: 'lost' is none of created, pending, done, failed, cancelled")
        cursor = base64.b64encode(b"greet").decode()
        assert_problem(self.ask(world, path, next=cursor), 400, 1, "next: not a cursor that this service has given")

    @pytest.mark.parametrize(("path", "allowed"), [("/v1/tasks", "GET, POST"), ("/v1/taskLists", "GET")])
    def test_they_are_not_changed(self, world: World, path: str, allowed: str) -> None:
        answer = world.ask("PUT", path, body="{}")
        assert_problem(answer, 405, 0, "method not allowed")
        assert answer.headers["Allow"] == allowed


@pytest.fixture
def world() -> World:
    return World()
