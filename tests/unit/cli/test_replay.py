"""taskctl ls and replay: finding tasks, and starting failed ones again."""

import json
from datetime import timedelta
from typing import Any

import pytest

from task_service.domain.task import State
from tests.support.behaviours import answer, close, in_turn
from tests.support.builders import NOW, task
from tests.support.targets import HttpTarget
from tests.support.taskctl import taskctl
from tests.unit.test_api import World


@pytest.fixture
def failed(world: World) -> World:
    """250 failed tasks, and one that is done."""
    for number in range(250):
        world.tasks.records[f"t{number}"] = task(
            f"t{number}", state=State.FAILED, error="it broke", created_at=NOW + timedelta(seconds=number)
        )
    world.tasks.records["done"] = task("done", state=State.DONE, finished_at=NOW)
    return world


def states(world: World) -> set[str]:
    return {record.state.value for record in world.tasks.records.values()}


@pytest.mark.usefixtures("failed")
class TestFinding:
    def test_tasks_are_a_table(self, service: str) -> None:
        ran = taskctl(service, "ls", "--state", "failed", "--limit", "2", "--until", "2026-01-01T00:00:02Z")
        heading, *rows = ran.out.splitlines()
        assert heading.split() == ["ID", "NAME", "STATE", "CREATED", "TOOK", "ATTEMPTS", "ERROR"]
        assert [row.split()[0] for row in rows] == ["t1", "t0"]
        assert rows[0].endswith("it broke")

    @pytest.mark.parametrize(("limit", "count"), [(7, 7), (100, 100), (150, 150), (1000, 251)])
    def test_pages_are_read_until_there_are_enough(self, limit: int, count: int, service: str) -> None:
        ran = taskctl(service, "ls", "--limit", str(limit), "-o", "json")
        assert (len(ran.json["items"]), ran.json["complete"]) == (count, limit == 1000)

    @pytest.mark.parametrize(
        ("arguments", "problem"),
        [
            (["--since", "yesterday"], "--since yesterday is no time"),
            (["--since", "2026-13-01"], "--since 2026-13-01 is no time"),
            (["--since", "99999d"], None),
            (["--since", "999999d"], "--since 999999d is no time"),
            (["policies", "--name", "x"], "name: only tasks and lists are searched"),
        ],
    )
    def test_a_filter_that_is_none_is_refused(self, arguments: list[str], problem: str | None, service: str) -> None:
        ran = taskctl(service, "ls", *arguments)
        assert (ran.code, problem is None or problem in ran.err) == (0 if problem is None else 2, True)

    def test_times_can_be_written_as_so_long_ago(self, scripted: HttpTarget) -> None:
        scripted.on("/v1/taskLists", answer(body=b'{"items": [], "next": null}'))
        assert taskctl(scripted.url(""), "ls", "lists", "--since", "2h", "--name", "a b&c").code == 0
        assert "name=a+b%26c&since=20" in scripted.calls[0].path


class TestReplaying:
    def test_all_that_match_are_counted_asked_for_and_replayed(self, service: str, failed: World) -> None:
        asked = taskctl(service, "replay", "--name", "greet")
        assert (asked.code, asked.err) == (
            2,
            "error: nothing is done: Replay 250 failed tasks needs a yes; add --yes.\n",
        )
        assert states(failed) == {"failed", "done"}

        ran = taskctl(service, "replay", "--name", "greet", "--yes")
        assert (ran.code, ran.out) == (0, "250 tasks replayed\n")
        assert states(failed) == {"created", "done"}

    def test_where_there_is_nothing_nothing_is_asked(self, service: str, failed: World) -> None:
        assert taskctl(service, "replay", "--name", "other").out == "0 tasks replayed\n"

    def test_one_is_replayed_by_its_id(self, service: str, failed: World) -> None:
        ran = taskctl(service, "replay", "t1", "done")
        assert (ran.code, ran.out) == (6, "t1  created\n")
        assert "done: task is done: only one that has failed can be replayed" in ran.err

    def test_the_id_of_a_list_works_too(self, scripted: HttpTarget) -> None:
        scripted.on("/v1/tasks/l/replay", answer(404, b'{"message": "task is not found"}'))
        scripted.on("/v1/taskLists/l/replay", answer(body=b'{"id": "l", "status": "pending"}'))
        assert taskctl(scripted.url(""), "replay", "l").out == "l  pending\n"

    @pytest.mark.parametrize("arguments", [[], ["t1", "--name", "greet"]])
    def test_either_ids_or_a_filter_is_needed(self, arguments: list[str], service: str) -> None:
        assert taskctl(service, "replay", *arguments).code == 2

    def test_what_is_skipped_is_told(self, scripted: HttpTarget) -> None:
        scripted.on("/v1/taskLists", answer(body=b'{"items": [{"id": "l"}], "next": null}'))
        skipped = {"items": [], "skipped": [{"id": "l", "reason": "it runs"}], "next": None}
        scripted.on("/v1/replays", answer(body=json.dumps(skipped).encode()))
        ran = taskctl(scripted.url(""), "replay", "--lists", "--since", "1h", "--yes")
        assert ran.out == "0 lists replayed\n  skipped l: it runs\n"
        assert json.loads(scripted.calls[1].body)["resource"] == "taskLists"

    def test_pages_that_go_round_are_given_up(self, scripted: HttpTarget) -> None:
        scripted.on("/v1/tasks", answer(body=b'{"items": [{"id": "a"}], "next": null}'))
        pages = [json.dumps({"items": [], "skipped": [], "next": following}) for following in ("n", "m", "n", None)]
        scripted.on("/v1/replays", in_turn(*(answer(body=page.encode()) for page in pages)))
        ran = taskctl(scripted.url(""), "replay", "--name", "greet", "--yes")
        assert (ran.code, "pages do not end" in ran.err) == (5, True)

    @pytest.mark.parametrize(
        ("second", "code", "said"),
        [
            (close, 6, "1 of 2 are replayed, then 127.0.0.1"),
            (answer(503, b'{"message": "the table does not answer"}'), 6, "1 of 2 are replayed, then 127.0.0.1"),
            (answer(body=b'{"items": [], "skipped": [], "next": "n"}'), 5, "pages do not end"),
        ],
    )
    def test_a_service_that_dies_in_between(self, second: Any, code: int, said: str, scripted: HttpTarget) -> None:
        scripted.on("/v1/tasks", answer(body=b'{"items": [{"id": "a"}, {"id": "b"}], "next": null}'))
        first = answer(body=b'{"items": [{"id": "a"}], "skipped": [], "next": "n"}')
        scripted.on("/v1/replays", in_turn(first, second))
        ran = taskctl(scripted.url(""), "replay", "--name", "greet", "--yes")
        assert (ran.code, said in ran.err) == (code, True)
