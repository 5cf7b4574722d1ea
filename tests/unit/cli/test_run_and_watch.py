"""taskctl run, watch, result, cancel: tasks and lists from their creation to their end."""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from task_service.domain.task import State
from task_service.domain.template import StoredTemplate
from taskctl import following
from taskctl.following import About, Follower, Group, Task, TaskList, list_of, task_of
from taskctl.tree import draw, errors, lines
from tests.support.behaviours import answer, close, in_turn
from tests.support.builders import list_document, task
from tests.support.targets import HttpTarget
from tests.support.taskctl import taskctl
from tests.unit.test_api import World

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def body(value: object) -> bytes:
    return json.dumps(value).encode()


def status(state: str, **members: Any) -> dict[str, Any]:
    """A task's status."""
    times = {"createdAt": "2026-01-01T00:00:00Z", "startedAt": None, "finishedAt": None}
    return {"id": "t", "name": "greet", "status": state, "attempts": 0, "error": None, **times, **members}


def requests(world: World) -> list[str]:
    """The bodies of all tasks."""
    return [record.request.text or "" for record in world.tasks.records.values() if record.request is not None]


class TestRunning:
    def test_a_task_is_created_and_its_id_is_written(self, service: str, world: World) -> None:
        ran = taskctl(service, "run", "greet", "--data", '{"a": 1.10}')
        (created,) = world.tasks.records
        assert (ran.code, ran.out, ran.err) == (0, f"{created}\n", "")
        assert requests(world) == ['{"a": 1.10}']

    def test_the_body_comes_from_a_file_or_stdin_byte_by_byte(self, service: str, world: World, tmp_path: Any) -> None:
        (tmp_path / "data.json").write_bytes(b'{"b":1,\n"a":12345678901234567890}')
        taskctl(service, "run", "greet", "--data", f"@{tmp_path}/data.json")
        taskctl(service, "run", "greet", "--data", "@-", stdin="[1]")
        assert requests(world) == ['{"b":1,\n"a":12345678901234567890}', "[1]"]

    def test_a_file_that_is_not_there_is_named(self, service: str) -> None:
        ran = taskctl(service, "run", "greet", "--data", "@/nowhere")
        assert (ran.code, ran.err.startswith("error: /nowhere cannot be read")) == (2, True)

    def test_a_list_is_found_by_its_name(self, service: str, world: World) -> None:
        world.list_templates.records["many"] = StoredTemplate(
            name="many", document=list_document("parallel 1").replace("t0", "greet"), etag="e"
        )
        ran = taskctl(service, "run", "many", "-o", "json")
        assert ran.json == {"id": next(iter(world.lists.lists)), "kind": "list"}

    def test_a_name_of_both_kinds_is_not_guessed(self, service: str, world: World) -> None:
        world.list_templates.records["greet"] = StoredTemplate(
            name="greet", document=list_document("parallel 1", name="greet").replace("t0", "greet"), etag="e"
        )
        ran = taskctl(service, "run", "greet")
        assert (ran.code, "add --task or --list" in ran.err) == (1, True)
        assert taskctl(service, "run", "greet", "--task").code == 0
        assert (len(world.tasks.records), len(world.lists.lists)) == (1, 0)
        assert taskctl(service, "run", "greet", "--list").code == 0
        assert len(world.lists.lists) == 1

    def test_an_unknown_name_is_refused_with_the_next_step(self, service: str) -> None:
        ran = taskctl(service, "run", "nothing")
        assert (ran.code, ran.err) == (
            1,
            "error: task template not found; see taskctl ls taskTemplates, or taskctl ls taskListTemplates.\n",
        )

    def test_a_key_makes_a_repetition_safe(self, service: str) -> None:
        first = taskctl(service, "run", "greet", "--idempotency-key", "order-42")
        assert taskctl(service, "run", "greet", "--idempotency-key", "order-42").out == first.out

    def test_without_an_answer_it_is_not_known_whether_it_was_created(self, scripted: HttpTarget) -> None:
        scripted.on("/v1/taskListTemplates/x", answer(404, b'{"message": "no"}'))
        scripted.on("/v1/task/x", close)
        ran = taskctl(scripted.url(""), "run", "x")
        assert ran.code == 5
        assert "whether it was created is not known" in ran.err
        assert "--idempotency-key makes a repetition safe" in ran.err
        assert len([call for call in scripted.calls if call.method == "POST"]) == 1

    def test_a_task_can_start_later(self, service: str, world: World) -> None:
        task_id = taskctl(service, "run", "greet", "--delay", "2h").out.strip()
        moment = world.clock() + timedelta(hours=2)
        assert world.tasks.records[task_id].not_before == moment
        assert (
            f"created  starts {moment:%Y-%m-%dT%H:%M:%SZ}" in taskctl(service, "watch", task_id, "--timeout", "0.1").out
        )

        taskctl(service, "run", "greet", "--not-before", "2026-01-02T12:00:00+01:00")
        times = [record.not_before for record in world.tasks.records.values()]
        assert datetime(2026, 1, 2, 11, tzinfo=UTC) in times

    def test_a_task_has_the_trace_and_the_group_of_the_command(self, service: str, world: World) -> None:
        parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        task_id = taskctl(service, "run", "greet", "--traceparent", parent, "--group", "tenant-7").out.strip()
        record = world.tasks.records[task_id]
        assert [one.message.queue_group for one in world.queue.sent] == ["tenant-7"]
        assert record.context.trace is not None
        assert record.context.trace.traceparent == parent
        shown = taskctl(service, "watch", task_id, "--timeout", "0.1").out
        assert shown.endswith("  greet  created  trace 4bf92f3577b34da6a3ce929d0e0e4736\n")

    @pytest.mark.parametrize(
        "arguments",
        [
            ["--delay", "soon"],
            ["--delay", "-1s"],
            ["--not-before", "2h"],
            ["--group", ""],
            ["--group", "two words"],
            ["--group", "ä"],
            ["--group", "x" * 129],
            ["--idempotency-key", "ä"],
            ["--idempotency-key", "x" * 256],
            ["--traceparent", "4bf92f3577b34da6a3ce929d0e0e4736"],
            ["--traceparent", f"00-{'0' * 32}-00f067aa0ba902b7-01"],
            ["--traceparent", f"00-{'a' * 32}-{'0' * 16}-01"],
            ["--traceparent", f"00-{'A' * 32}-{'a' * 16}-01"],
            ["--traceparent", f"00-{'a' * 32}-{'a' * 16}-01\n"],
        ],
    )
    def test_an_option_that_is_wrong_is_refused(self, arguments: list[str], service: str, world: World) -> None:
        assert taskctl(service, "run", "greet", *arguments).code == 2
        assert world.tasks.records == {}

    def test_waiting_shows_the_result_or_the_failure(self, scripted: HttpTarget) -> None:
        scripted.on("/v1/task/x", answer(body=b'{"taskID": "t"}'))
        scripted.on(
            "/v1/taskStatus/t", in_turn(answer(201, body(status("created"))), answer(body=body(status("done"))))
        )
        scripted.on("/v1/taskResult/t", answer(body=b'{"x": 1}'))
        ran = taskctl(scripted.url(""), "run", "x", "--task", "--wait")
        assert (ran.code, ran.out, ran.err) == (0, '{"x": 1}\n', "task t\n")
        assert scripted.calls_to("/v1/taskStatus/t")[1].headers["Prefer"] == "wait=20"

        scripted.on("/v1/taskStatus/t", answer(207, body(status("failed", error="it broke"))))
        ran = taskctl(scripted.url(""), "run", "x", "--task", "--wait")
        assert (ran.code, ran.out) == (3, "")
        assert ran.err.endswith("error: the task greet has failed: it broke; taskctl replay t starts it again.\n")


class TestResults:
    @pytest.mark.parametrize(
        ("state", "code", "said"),
        [
            (State.CREATED, 7, "the task t has not ended, it is created; wait for it with --wait"),
            (State.FAILED, 3, "task failed: x; taskctl watch t shows its attempts"),
            (State.CANCELLED, 3, "task cancelled: x; taskctl watch t shows its attempts"),
        ],
    )
    def test_a_result_that_there_is_not(self, state: State, code: int, said: str, service: str, world: World) -> None:
        world.tasks.records["t"] = task("t", state=state, error=None if code == 7 else "x")
        ran = taskctl(service, "result", "t")
        assert (ran.code, ran.err) == (code, f"error: {said}.\n")

    def test_an_unknown_id(self, service: str) -> None:
        ran = taskctl(service, "result", "nothing")
        assert (ran.code, ran.err) == (
            *(1, "error: there is neither a task nor a list nothing; see taskctl ls, or taskctl ls lists.\n"),
        )


class TestCancelling:
    def test_each_is_told(self, service: str, world: World) -> None:
        world.tasks.records["a"], world.tasks.records["b"] = task("a"), task("b", state=State.DONE)
        ran = taskctl(service, "cancel", "a", "b")
        assert (ran.code, ran.out) == (6, "a  cancelled\n")
        assert "b: task is done" in ran.err

    def test_a_service_that_dies_between_two(self, scripted: HttpTarget) -> None:
        scripted.on("/v1/tasks/a/cancel", answer(body=b'{"id": "a", "status": "cancelled"}'))
        scripted.on("/v1/tasks/b/cancel", close)
        ran = taskctl(scripted.url(""), "cancel", "a", "b")
        assert (ran.code, "1 of 2 are done, then" in ran.err) == (6, True)


def a_list(*states: str, state: str = "pending") -> dict[str, Any]:
    """The status of a list with one group."""
    tasks = [{"id": f"l.0.{number}", "status": one} for number, one in enumerate(states)]
    return {"id": "l", "status": state, "groups": [{"id": "l.0", "status": state, "tasks": tasks}]}


class TestWatching:
    @pytest.fixture
    def watched(self, scripted: HttpTarget) -> HttpTarget:
        """A list of two tasks whose first one fails, then succeeds."""
        scripted.on("/v1/taskStatus/l", answer(404, b'{"message": "task is not found"}'))
        scripted.on(
            "/v1/taskListStatus/l",
            in_turn(
                answer(202, body(a_list("pending", "created"))),
                answer(202, body(a_list("pending", "created"))),
                answer(200, body(a_list("done", "done", state="done"))),
            ),
        )
        ended = {"startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:00:01.500Z", "attempts": 2}
        history = [{"attempt": 1, "startedAt": None, "finishedAt": None, "responseCode": 503, "error": "it broke"}]
        scripted.on(
            "/v1/taskStatus/l.0.0",
            in_turn(
                answer(202, body(status("pending", id="l.0.0", attempts=1))),
                answer(202, body(status("pending", id="l.0.0", attempts=2, history=history))),
                answer(200, body(status("done", id="l.0.0", **ended))),
            ),
        )
        scripted.on("/v1/taskStatus/l.0.1", answer(200, body(status("done", id="l.0.1", **ended))))
        return scripted

    def test_a_pipe_gets_a_line_for_each_change(self, watched: HttpTarget, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(time, "sleep", lambda seconds: None)
        ran = taskctl(watched.url(""), "watch", "l")
        assert ran.code == 0
        assert [line.partition("  ")[2] for line in ran.out.splitlines()] == [
            "l.0.0  greet  pending  attempt 1",
            "l.0.1  1.2  created",
            "l.0  group 1  pending",
            "l  list  pending",
            "l.0.0  greet  pending  attempt 2  it broke",
            "l.0.0  greet  done  attempt 2  1.5 s",
            "l.0.1  greet  done  attempt 2  1.5 s",
            "l.0  group 1  done",
            "l  list  done",
        ]

    def test_scripts_get_a_line_of_json_for_each_change(
        self, watched: HttpTarget, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(time, "sleep", lambda seconds: None)
        ran = taskctl(watched.url(""), "watch", "l", "-o", "json")
        assert len(ran.lines) == 9
        assert ran.lines[0] | {"seconds": None} == {
            **{"kind": "task", "id": "l.0.0", "status": "pending", "name": "greet", "seconds": None},
            **{"attempts": 1, "responseCode": None, "error": None},
        }
        assert ran.lines[-1]["status"] == "done"

    def test_the_service_is_asked_to_wait_and_not_hurried(self, watched: HttpTarget) -> None:
        started = time.monotonic()
        assert taskctl(watched.url(""), "watch", "l").code == 0
        asked = [call.headers.get("Prefer") for call in watched.calls_to("/v1/taskListStatus/l")]
        assert asked == [None, "wait=1", "wait=1"]
        # It has answered at once, although it was asked to wait.
        assert time.monotonic() - started > 0.9

    def test_its_trace_and_who_acted_are_shown_where_they_are_known(self, scripted: HttpTarget) -> None:
        about = {"traceId": "4bf9", "createdBy": "ada", "cancelledBy": "bob", "replayedBy": "eve"}
        ended = status("cancelled", error="on request", **about)
        scripted.on("/v1/taskStatus/t", answer(207, body(ended)))
        ran = taskctl(scripted.url(""), "watch", "t")
        assert ran.out.endswith(
            "t  greet  cancelled  trace 4bf9  created by ada  cancelled by bob  replayed by eve  on request\n"
        )
        assert ran.err == "error: the task greet was cancelled by bob: on request.\n"
        (line,) = taskctl(scripted.url(""), "watch", "t", "-o", "json").lines
        assert line.items() >= about.items()

        scripted.on("/v1/taskStatus/l", answer(404, b'{"message": "no"}'))
        tasks = a_list("done", state="done")
        tasks["groups"][0]["tasks"][0] |= about
        scripted.on("/v1/taskListStatus/l", answer(200, body(tasks | {"createdBy": "ada"})))
        scripted.on("/v1/taskStatus/l.0.0", answer(200, body(status("done", id="l.0.0", **about))))
        ran = taskctl(scripted.url(""), "watch", "l")
        assert [line.partition("  ")[2] for line in ran.out.splitlines()] == [
            "l.0.0  greet  done",
            "l.0  group 1  done",
            "l  list  done  created by ada",
        ]

    def test_the_start_of_what_waits_is_told_to_scripts(self, scripted: HttpTarget) -> None:
        scripted.on("/v1/taskStatus/t", answer(201, body(status("created", notBefore="2026-01-31T12:00:00.500Z"))))
        ran = taskctl(scripted.url(""), "watch", "t", "--timeout", "0.1", "-o", "json")
        assert [line["notBefore"] for line in ran.lines] == ["2026-01-31T12:00:00.500Z"]

    @pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
    @pytest.mark.parametrize("arguments", [["watch", "t", "--timeout", "0.1"], ["ls"]])
    def test_a_time_that_no_zone_has_is_not_shown(
        self, arguments: list[str], moment: str, scripted: HttpTarget
    ) -> None:
        shown = status("created", notBefore=moment, createdAt=moment)
        scripted.on("/v1/taskStatus/t", answer(201, body(shown)))
        scripted.on("/v1/tasks", answer(body=body({"items": [shown], "next": None})))
        assert taskctl(scripted.url(""), *arguments, TZ="Pacific/Kiritimati").code in (0, 7)

    @pytest.mark.parametrize("wrong", [1, [], {"a": 1}])
    @pytest.mark.parametrize("name", ["traceId", "createdBy", "cancelledBy", "replayedBy"])
    def test_who_acted_is_a_text(self, name: str, wrong: object, scripted: HttpTarget) -> None:
        scripted.on("/v1/taskStatus/t", answer(200, body(status("done", **{name: wrong}))))
        ran = taskctl(scripted.url(""), "watch", "t")
        assert (ran.code, "it has another form" in ran.err) == (5, True)

    def test_the_time_limit(self, scripted: HttpTarget) -> None:
        scripted.on("/v1/taskStatus/t", answer(202, body(status("pending"))))
        ran = taskctl(scripted.url(""), "watch", "t", "--timeout", "0.2")
        assert (ran.code, ran.err) == (
            *(7, "error: t has not ended in time, it is pending; taskctl watch t goes on waiting.\n"),
        )

    def test_a_short_outage_is_survived_and_a_long_one_is_not(
        self, scripted: HttpTarget, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(time, "sleep", lambda seconds: None)
        scripted.on(
            "/v1/taskStatus/t",
            in_turn(answer(202, body(status("pending"))), close, close, answer(200, body(status("done")))),
        )
        ran = taskctl(scripted.url(""), "watch", "t")
        assert ran.code == 0
        assert ran.err.count("closes the connection without an answer; it is tried again") == 2

        monkeypatch.setattr(following, "OUTAGE_SECONDS", 0.0)
        scripted.on("/v1/taskStatus/t", in_turn(answer(202, body(status("pending"))), close))
        assert taskctl(scripted.url(""), "watch", "t").code == 5

    def test_what_fails_ends_with_its_exit_code(self, scripted: HttpTarget) -> None:
        scripted.on("/v1/taskStatus/t", answer(207, body(status("cancelled", error="cancelled on request"))))
        ran = taskctl(scripted.url(""), "watch", "t")
        assert (ran.code, ran.err) == (3, "error: the task greet was cancelled: cancelled on request.\n")

    @pytest.mark.parametrize(
        "wrong", [{"id": 1}, {"status": None}, {"groups": 1}, {"groups": [1]}, {"groups": [{"id": "g"}]}, {"name": []}]
    )
    def test_a_status_of_another_form_is_refused(self, wrong: dict[str, Any], scripted: HttpTarget) -> None:
        scripted.on("/v1/taskStatus/l", answer(404, b'{"message": "no"}'))
        scripted.on("/v1/taskListStatus/l", answer(200, body(a_list("done") | wrong)))
        ran = taskctl(scripted.url(""), "watch", "l")
        assert (ran.code, "the answer is none of the task service: it has another form" in ran.err) == (5, True)

    def test_of_a_long_list_a_bounded_number_of_tasks_is_read_in_a_round(self, scripted: HttpTarget) -> None:
        long = a_list(*["pending"] * 500)
        scripted.on("/v1/taskStatus/l", answer(404, b'{"message": "no"}'))
        scripted.on("/v1/taskListStatus/l", answer(200, body(long)))
        for number in range(500):
            scripted.on(f"/v1/taskStatus/l.0.{number}", answer(202, body(status("pending", id=f"l.0.{number}"))))
        follower = Follower(_server(scripted), "l")
        follower.now()
        assert len(scripted.calls) == 2 + following.DETAILS
        # The next round reads others.
        shown = follower.now()
        assert isinstance(shown, TaskList)
        assert len([one for one in shown.tasks if one.name]) == 2 * following.DETAILS


def _server(target: HttpTarget) -> Any:
    from taskctl.api import Server
    from taskctl.profiles import Connection

    return Server(Connection(url=target.url("")))


def printed(shown: Any, width: int = 80) -> list[str]:
    """The lines of a drawing in a terminal."""
    console = Console(width=width, force_terminal=True, color_system=None, highlight=False, legacy_windows=False)
    with console.capture() as captured:
        console.print(shown)
    return captured.get().splitlines()


def group(number: int, *states: str, state: str = "pending") -> Group:
    tasks = tuple(
        Task(
            id=f"l.{number}.{position}",
            name=f"task-{position}",
            state=one,
            attempts=1,
            started=None if one == "created" else NOW,
            finished=NOW + timedelta(seconds=2) if one in ("done", "failed") else None,
            error="the target answered 500: " + "x" * 100 if one == "failed" else None,
        )
        for position, one in enumerate(states)
    )
    return Group(id=f"l.{number}", state=state, tasks=tasks)


class TestDrawing:
    def test_a_list_is_a_tree_that_fits_the_width(self) -> None:
        shown = TaskList(
            id="l",
            name="many",
            state="pending",
            created=NOW,
            groups=(group(0, "done", "failed", "pending", "created"),),
        )
        now = NOW + timedelta(seconds=5)
        found = printed(draw(shown, now=now))
        assert found == [
            "many l pending 2/4 5.0 s",
            "└── group 1 pending",
            "    ├── task-0  done         1x    2.0 s",
            "    ├── task-1  failed       1x    2.0 s  the target answered 500: xxxxxxxxxxxx…",
            "    ├── task-2  pending      1x    5.0 s",
            "    └── task-3  created      1x",
        ]
        assert all(len(line) <= 80 for line in found)
        (error,) = errors(shown)
        assert error.plain == "task-1 1.2: the target answered 500: " + "x" * 100

    def test_who_acted_has_lines_of_its_own_with_a_bounded_length(self) -> None:
        about = About(trace_id="4bf9", created_by="x" * 1_000)
        shown = [*map(str.rstrip, printed(draw(Task(id="t", state="created", name="greet", about=about)), width=400))]
        assert shown == ["greet  created", "├── trace 4bf9", f"└── created by {'x' * 255}…"]
        (_, told, _) = printed(draw(TaskList(id="l", state="created", groups=(group(0),), about=about)))
        assert told.startswith("├── trace 4bf9  created by xxx")
        assert len(told) <= 80

    @pytest.mark.parametrize("height", [8, 10, 24])
    def test_a_long_list_fits_the_height_with_what_runs_and_has_failed_first(self, height: int) -> None:
        groups = tuple(group(number, *["done"] * 300, "failed", "pending", *["created"] * 40) for number in range(3))
        about = About(trace_id="4bf9")
        assert (
            len(printed(draw(TaskList(id="l", state="pending", groups=groups, about=about), height=height))) <= height
        )
        found = printed(draw(TaskList(id="l", state="pending", groups=groups), height=height, now=NOW))
        assert len(found) <= height
        assert any("more: " in line for line in found)
        if height == 24:
            assert sum("failed  " in line for line in found) == sum("pending  " in line for line in found) == 3

    def test_many_groups_fit_too(self) -> None:
        groups = tuple(group(number, "created", state="created") for number in range(1_000))
        found = printed(draw(TaskList(id="l", state="pending", groups=groups), height=20, now=NOW))
        assert len(found) <= 20
        assert "991 more groups" in found[1]

    def test_the_attempts_of_a_task_are_shown_where_the_service_tells_them(self) -> None:
        history = [
            {
                "attempt": 1,
                "startedAt": "2026-01-01T00:00:00Z",
                "finishedAt": "2026-01-01T00:00:01Z",
                "responseCode": 503,
            },
            {"attempt": 2, "startedAt": None, "finishedAt": "rubbish", "responseCode": None, "error": "reset"},
            {},
        ]
        found = printed(draw(task_of(status("pending", attempts=3, history=history)), now=NOW))
        assert found[1:] == ["├── attempt 1    1.0 s  503", "├── attempt 2           reset", "└── attempt None"]

    @pytest.mark.parametrize("moment", ["rubbish", "", "2026-13-01T00:00:00Z", "9999-12-31T23:59:59.999Z"])
    def test_times_that_are_none_or_false_are_not_shown(self, moment: str) -> None:
        shown = task_of(status("pending", startedAt=moment))
        assert printed(draw(shown, now=NOW))[0].split() in (["greet", "pending"], ["greet", "pending", "0.0", "s"])

    def test_lines_tell_what_has_changed_only(self) -> None:
        before = list_of(a_list("pending", "created"))
        after = list_of(a_list("done", "created"))
        assert [*lines(before, after)] == ["l.0.0  1.1  done"]
        assert [*lines(after, after)] == []
