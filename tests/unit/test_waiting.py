"""Waiting for what was created, or is asked for, to end."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from task_service.domain.errors import NotFound, Unavailable
from task_service.domain.messages import QueueMessage
from task_service.domain.task import Body, State
from task_service.entrypoints.api.prefer import wait_seconds
from task_service.usecases.wait import LONGEST_PAUSE, MAX_WAIT, SHORTEST_PAUSE, pause
from tests.support.builders import NOW, task
from tests.unit.test_api import Answer, World, assert_problem

pytestmark = pytest.mark.usefixtures("gateway")

LIST = '{"groups":[{"execution":"parallel","tasks":["greet","greet"]}]}'


class TestPauses:
    @pytest.mark.parametrize(("passed", "expected"), [(0, 0.05), (0.1, 0.05), (0.4, 0.1), (4, 1), (8, 2), (24, 2)])
    def test_a_pause_is_a_quarter_of_what_has_passed_within_limits(self, passed: float, expected: float) -> None:
        assert pause(timedelta(seconds=passed)) == timedelta(seconds=expected)
        assert SHORTEST_PAUSE <= pause(timedelta(seconds=passed)) <= LONGEST_PAUSE

    def test_the_longest_wait_takes_some_thirty_looks(self) -> None:
        looks, passed = 1, timedelta()
        while passed < MAX_WAIT:
            passed += pause(passed)
            looks += 1
        assert 25 <= looks <= 32


class TestPrefer:
    @pytest.mark.parametrize(
        ("header", "seconds"),
        [
            ("wait=10", 10),
            ("WAIT=10", 10),
            ("Wait = 7", 7),
            (" wait\t=\t5 ", 5),
            ('wait="10"', 10),
            ('wait="1\\0"', 10),
            ("wait=010", 10),
            ("wait=25", 25),
            ("wait=26", 25),
            ("wait=" + "9" * 900, 25),
            ("wait=" + "0" * 900 + "3", 3),
            ("respond-async, wait=10", 10),
            ('respond-async;x=1;  y = "a,b;wait=3" ,, wait=4;z="\\""', 4),
            ("return=minimal; wait=10", 0),
            ("wait=10; foo; bar=baz", 10),
            ("wait=10;", 10),
            ("wait=3, wait=9", 3),
            ("wait=soon, wait=9", 0),
            ("nonsense nonsense, wait=6", 6),
            ("wait 6, wait=7", 7),
            ("a b, =5, ;, wait=6", 6),
            ('note="never closed, wait=6', 0),
            ('wait=6 "', 0),
            ('wait=6, note="never closed', 6),
            ("wait=0", 0),
            ("wait", 0),
            ("wait=", 0),
            ('wait=""', 0),
            ("wait=-1", 0),
            ("wait=+1", 0),
            ("wait=1.5", 0),
            ("wait=1e1", 0),
            ("wait=1_0", 0),
            ("wait=٣", 0),
            ("wait=1 0", 0),
            ("waiting=10", 0),
            ("", 0),
            (" , ,, ", 0),
        ],
    )
    def test_what_is_not_understood_is_ignored(self, header: str, seconds: int) -> None:
        assert wait_seconds(header) == seconds

    @pytest.mark.parametrize(
        "header", ["wait" + ";  " * 20_000 + "=", '"' * 50_001, "a=" + '"\\' * 30_000, "wait=1" + " " * 50_000 + "x"]
    )
    def test_whatever_is_sent_is_read_in_no_time(self, header: str) -> None:
        assert wait_seconds(header) == 0


def waiting_world(*during: Callable[[World], None]) -> World:
    """A world in which this happens in the pauses of a wait, one after the other."""
    world = World()
    remaining = list(during)

    def in_a_pause() -> None:
        if remaining:
            remaining.pop(0)(world)

    world.in_pause = in_a_pause
    return world


def end(state: State, **changes: Any) -> Callable[[World], None]:
    """Ends the one task that there is."""

    def change(world: World) -> None:
        [found] = world.tasks.records.values()
        world.tasks.records[found.id] = replace(found, state=state, **changes)

    return change


DEFAULT = {"Content-Type", "Cache-Control", "Vary", "X-Content-Type-Options"}
"""Headers of every answer that can be waited for."""


def nothing(_: World) -> None:
    """Nothing happens."""


done = end(State.DONE, result=Body(text='{"b": 1.50}'), started_at=NOW, finished_at=NOW)
failed = end(State.FAILED, error="the target answered 500", started_at=NOW)
cancelled = end(State.CANCELLED, error="cancelled on request")


def create(world: World, prefer: str = "wait=10") -> Answer:
    return world.ask("POST", "/v1/task/greet", body="1", headers={"Prefer": prefer})


def the_id(world: World) -> str:
    [task_id] = world.tasks.records
    return task_id


class TestCreatingATask:
    @pytest.mark.parametrize("pauses", [1, 2, 20])
    def test_the_result_comes_as_soon_as_there_is_one(self, pauses: int) -> None:
        world = waiting_world(*[nothing] * (pauses - 1), done)
        answer = create(world)
        assert (answer.status, answer.text) == (200, '{"b": 1.50}')
        assert answer.headers["Content-Location"] == f"../taskResult/{the_id(world)}"
        assert answer.headers["x-task-id"] == the_id(world)
        assert answer.headers["Preference-Applied"] == "wait=10"
        assert len(world.pauses) == pauses

    def test_a_task_that_ends_before_the_first_look_is_not_waited_for(self) -> None:
        world = World()
        send = world.queue.send

        def send_and_end(message: QueueMessage, *, due_at: datetime | None = None) -> None:
            send(message, due_at=due_at)
            done(world)

        world.queue.send = send_and_end  # type: ignore[method-assign]
        assert create(world).text == '{"b": 1.50}'
        assert world.pauses == []

    @pytest.mark.parametrize(
        ("change", "message"),
        [(failed, "task failed: the target answered 500"), (cancelled, "task cancelled: cancelled on request")],
    )
    def test_a_task_without_a_result_is_answered_as_its_result_would_be(
        self, change: Callable[[World], None], message: str
    ) -> None:
        world = waiting_world(change)
        answer = create(world)
        assert_problem(answer, 424, 0, message)
        assert answer.headers["x-task-id"] == the_id(world)
        assert answer.headers["Preference-Applied"] == "wait=10"
        assert "Content-Location" not in answer.headers

    def test_when_time_is_up_the_id_comes(self) -> None:
        world = waiting_world()
        answer = create(world, "wait=10")
        assert (answer.status, answer.json) == (200, {"taskID": the_id(world)})
        assert answer.headers["x-task-id"] == the_id(world)
        assert answer.headers["Preference-Applied"] == "wait=10"
        assert "Content-Location" not in answer.headers
        assert sum(world.pauses) == pytest.approx(10)

    def test_the_last_look_is_when_time_is_up(self) -> None:
        world = waiting_world()
        world.in_pause = lambda: done(world) if sum(world.pauses) >= 9.999 else None
        assert create(world).text == '{"b": 1.50}'

    def test_more_than_the_longest_wait_is_the_longest_wait(self) -> None:
        world = waiting_world()
        assert create(world, "wait=600").headers["Preference-Applied"] == "wait=25"
        assert sum(world.pauses) == pytest.approx(25)
        assert len(world.pauses) < 35

    def test_a_wait_ends_before_the_function_s_time_does(self) -> None:
        world = waiting_world()
        world.remaining_milliseconds = 8_000
        assert list(create(world).json) == ["taskID"]
        assert sum(world.pauses) == pytest.approx(5)

    def test_without_time_there_is_one_look(self) -> None:
        world = waiting_world()
        world.remaining_milliseconds = 1_000
        answer = create(world)
        assert list(answer.json) == ["taskID"]
        assert world.pauses == []

    @pytest.mark.parametrize("prefer", ["wait=0", "wait", "respond-async", "wait=x", ""])
    def test_a_client_that_does_not_ask_to_wait_gets_the_id_at_once(self, prefer: str) -> None:
        world = World()
        answer = create(world, prefer)
        assert list(answer.json) == ["taskID"]
        assert set(answer.headers) == DEFAULT
        assert world.pauses == []

    def test_preferences_of_several_lines_are_one_header(self) -> None:
        world = waiting_world(done)
        lines = {"Prefer": ["respond-async"], "prefer": ['x="', 'y", wait=5']}
        answer = world.ask(
            "POST", "/v1/task/greet", body="1", headers={"Prefer": 'y", wait=5'}, multiValueHeaders=lines
        )
        assert answer.headers["Preference-Applied"] == "wait=5"

    def test_what_is_refused_is_not_waited_for(self) -> None:
        world = World()
        answer = world.ask("POST", "/v1/task/nobody", body="1", headers={"Prefer": "wait=5"})
        assert_problem(answer, 404, 5, "task template not found")
        assert "Preference-Applied" not in answer.headers
        assert world.pauses == []


class TestACreationIsAcknowledgedWhateverHappensNext:
    def test_a_table_that_fails_for_a_while_is_asked_again(self) -> None:
        def table_fails(world: World) -> None:
            world.tasks.faults.before = 2

        world = waiting_world(table_fails, done)
        assert create(world).text == '{"b": 1.50}'

    def test_a_table_that_goes_on_failing_leaves_the_id(self) -> None:
        def table_fails(world: World) -> None:
            world.tasks.faults.before = 1_000

        world = waiting_world(table_fails)
        answer = create(world)
        assert (answer.status, answer.json) == (200, {"taskID": the_id(world)})
        assert answer.headers["x-task-id"] == the_id(world)

    def test_a_result_that_cannot_be_read_leaves_the_id(self) -> None:
        world = waiting_world(end(State.DONE, result=Body(blob="results/1")))
        world.bodies.faults.before = 1
        answer = create(world)
        assert (answer.status, answer.json) == (200, {"taskID": the_id(world)})
        assert "Content-Location" not in answer.headers

    def test_an_unforeseen_fault_leaves_the_id_and_is_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        def break_it(world: World) -> None:
            world.tasks.get = lambda _: 1 / 0  # type: ignore[method-assign,assignment,return-value]

        world = waiting_world(break_it)
        answer = create(world)
        assert (answer.status, answer.json) == (200, {"taskID": the_id(world)})
        assert "ZeroDivisionError" in caplog.text

    def test_a_record_that_has_gone_leaves_the_id(self) -> None:
        world = waiting_world(lambda world: world.tasks.records.clear())
        assert list(create(world).json) == ["taskID"]


class TestReadingATask:
    @pytest.fixture
    def world(self) -> World:
        world = waiting_world(nothing, done)
        world.tasks.records["t"] = task("t")
        return world

    def ask(self, world: World, path: str, prefer: str = "wait=5") -> Answer:
        return world.ask("GET", path, headers={"prefer": prefer})

    def test_a_result_is_waited_for(self, world: World) -> None:
        answer = self.ask(world, "/v1/taskResult/t")
        assert (answer.status, answer.text) == (200, '{"b": 1.50}')
        assert set(answer.headers) == DEFAULT | {"Preference-Applied"}
        assert answer.headers["Preference-Applied"] == "wait=5"
        assert len(world.pauses) == 2

    def test_a_status_is_waited_for(self, world: World) -> None:
        answer = self.ask(world, "/v1/taskStatus/t")
        assert (answer.status, answer.json["status"]) == (200, "done")
        assert answer.headers["Preference-Applied"] == "wait=5"

    @pytest.mark.parametrize("change", [failed, cancelled])
    def test_a_task_that_ends_badly_has_ended(self, change: Callable[[World], None]) -> None:
        for path, status in (("/v1/taskStatus/t", 207), ("/v1/taskResult/t", 424)):
            world = waiting_world(change)
            world.tasks.records["t"] = task("t")
            answer = self.ask(world, path)
            assert answer.status == status
            assert answer.headers["Preference-Applied"] == "wait=5"
            assert len(world.pauses) == 1

    def test_when_time_is_up_the_answer_is_that_of_today(self) -> None:
        world = waiting_world()
        world.tasks.records["t"] = task("t")
        result, status = self.ask(world, "/v1/taskResult/t"), self.ask(world, "/v1/taskStatus/t")
        assert_problem(result, 404, 5, "no result, task is not completed")
        assert (status.status, status.json["status"]) == (201, "created")
        assert {result.headers["Preference-Applied"], status.headers["Preference-Applied"]} == {"wait=5"}
        assert sum(world.pauses) == pytest.approx(10)

    @pytest.mark.parametrize("path", ["/v1/taskResult/nobody", "/v1/taskStatus/nobody", "/v1/taskResult/nobody.0.0"])
    def test_an_unknown_id_is_404_at_once(self, path: str) -> None:
        world = waiting_world()
        answer = self.ask(world, path)
        assert_problem(answer, 404, 5, "task is not found")
        assert world.pauses == []
        assert "Preference-Applied" not in answer.headers

    def test_a_table_that_fails_to_the_end_is_503(self) -> None:
        world = waiting_world()
        world.tasks.faults.before = 1_000
        assert self.ask(world, "/v1/taskStatus/t").status == 503

    def test_no_wait_reads_once(self, world: World) -> None:
        assert self.ask(world, "/v1/taskStatus/t", "wait=0").json["status"] == "created"
        assert world.pauses == []


class TestLists:
    @pytest.fixture
    def world(self) -> World:
        return self.with_list()

    def with_list(self, *during: Callable[[World], None]) -> World:
        world = waiting_world(*during)
        assert world.ask("PUT", "/v1/taskListTemplates/l", body=LIST).status == 201
        return world

    @staticmethod
    def ended(*, well: bool) -> Callable[[World], None]:
        def change(world: World) -> None:
            [task_list] = world.lists.lists.values()
            world.lists.start_group(task_list, 0, parallel=2, failed_before=False)
            for position in range(2):
                world.lists.end_task(task_list, 0, position, well=well, parallel=2)
            world.lists.close_group(task_list, 0, well=well)
            world.lists.end(task_list, well=well, now=NOW)

        return change

    def create(self, world: World) -> tuple[Answer, str]:
        answer = world.ask("POST", "/v1/taskList/l", body="1", headers={"Prefer": "wait=10"})
        [list_id] = world.lists.lists
        return answer, list_id

    @pytest.mark.parametrize(("well", "status", "state"), [(True, 200, "done"), (False, 207, "failed")])
    def test_the_status_comes_as_soon_as_the_list_has_ended(self, well: bool, status: int, state: str) -> None:
        answer, list_id = self.create(self.with_list(nothing, self.ended(well=well)))
        assert (answer.status, answer.json["id"], answer.json["status"]) == (status, list_id, state)
        assert [item["status"] for item in answer.json["groups"][0]["tasks"]] == [state, state]
        assert answer.headers["Content-Location"] == f"../taskListStatus/{list_id}"
        assert answer.headers["x-task-list-id"] == list_id
        assert answer.headers["Preference-Applied"] == "wait=10"

    def test_when_time_is_up_the_id_comes(self, world: World) -> None:
        answer, list_id = self.create(world)
        assert (answer.status, answer.json) == (200, {"taskListID": list_id})
        assert answer.headers["x-task-list-id"] == list_id
        assert "Content-Location" not in answer.headers
        assert sum(world.pauses) == pytest.approx(10)

    def test_a_table_that_fails_leaves_the_id(self) -> None:
        def table_fails(world: World) -> None:
            world.lists.faults.before = 1_000

        answer, list_id = self.create(self.with_list(table_fails))
        assert (answer.status, answer.json) == (200, {"taskListID": list_id})

    def test_only_the_list_s_own_record_is_looked_at_until_it_has_ended(self) -> None:
        world = self.with_list(nothing, nothing, self.ended(well=True))
        overviews: list[str] = []
        records = world.lists.records
        world.lists.records = lambda list_id: (overviews.append(list_id), records(list_id))[1]  # type: ignore[method-assign,func-returns-value]
        _, list_id = self.create(world)
        assert overviews == [list_id]

    def test_a_status_is_waited_for(self) -> None:
        world = self.with_list(nothing, self.ended(well=True))
        list_id = world.ask("POST", "/v1/taskList/l", body="1").json["taskListID"]
        answer = world.ask("GET", f"/v1/taskListStatus/{list_id}", headers={"Prefer": "wait=3"})
        assert (answer.status, answer.json["status"]) == (200, "done")
        assert set(answer.headers) == DEFAULT | {"Preference-Applied"}
        late = self.with_list()
        list_id = late.ask("POST", "/v1/taskList/l", body="1").json["taskListID"]
        answer = late.ask("GET", f"/v1/taskListStatus/{list_id}", headers={"Prefer": "wait=3"})
        assert (answer.status, answer.headers["Preference-Applied"]) == (201, "wait=3")
        assert sum(late.pauses) == pytest.approx(3)

    def test_an_unknown_list_is_404_at_once(self, world: World) -> None:
        answer = world.ask("GET", "/v1/taskListStatus/nobody", headers={"Prefer": "wait=3"})
        assert_problem(answer, 404, 5, "taskList is not found")
        assert world.pauses == []

    def test_a_task_of_a_list_is_waited_for(self) -> None:
        world = self.with_list()
        list_id = world.ask("POST", "/v1/taskList/l", body="1").json["taskListID"]
        first = f"{list_id}.0.0"

        def first_ends() -> None:
            world.tasks.records[first] = task(first, state=State.DONE, result=Body(text="7"))

        world.in_pause = first_ends
        assert world.ask("GET", f"/v1/taskResult/{first}", headers={"Prefer": "wait=3"}).text == "7"


def test_the_use_case_raises_what_the_last_look_raised() -> None:
    world = waiting_world(lambda world: world.tasks.records.clear())
    world.tasks.records["t"] = task("t")
    until = NOW + timedelta(seconds=5)
    with pytest.raises(NotFound):
        world.waiting.task("t", until=until)
    world.tasks.faults.before = 1_000
    with pytest.raises(Unavailable):
        world.waiting.task("t", until=until)
