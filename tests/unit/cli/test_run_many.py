"""taskctl run-many: the tasks of a file, each with its line, and what is known when the service goes away."""

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from taskctl import orders
from taskctl.commands import run_many
from taskctl.errors import NoAnswer, Refused
from taskctl.orders import Order, body_of, read_orders, requests_of
from taskctl.screen import Screen
from tests.support.behaviours import answer, close, garbage, in_turn
from tests.support.targets import HttpTarget
from tests.support.taskctl import taskctl
from tests.support.wire import Behaviour, Wire
from tests.unit.cli.test_hostile import EVIL, harmless
from tests.unit.test_api import World

PATH = "/v1/tasks"


def greet(body: object, **members: object) -> dict[str, object]:
    """A task to create."""
    return {"name": "greet", "body": body, **members}


def lines(*tasks: object) -> str:
    """Tasks as JSON Lines."""
    return "".join(f"{json.dumps(task)}\n" for task in tasks)


def bodies(world: World) -> list[str]:
    """The bodies of all tasks."""
    return [record.request.text or "" for record in world.tasks.records.values() if record.request is not None]


def created(*ids: str) -> bytes:
    """An answer with these ids."""
    return json.dumps([{"taskID": one} for one in ids]).encode()


def creating(wire: Wire) -> None:
    """Creates every task of the request."""
    count = len(json.loads(wire.call.body))
    answer(body=created(*(f"t{number}" for number in range(count))))(wire)


class TestFiles:
    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("a.json", '[ {"name": "greet", "body": 1}, {"name":"greet","body":[2]} ]\n'),
            ("a.jsonl", '{"name": "greet", "body": 1}\n\n{"name":"greet","body":[2]}'),
            ("a", '{"name": "greet",\n "body": 1} {"name":"greet","body":[2]}'),
            ("a.yaml", "- name: greet\n  body: 1\n- name: greet\n  body: [2]\n"),
            ("a.yml", "name: greet\nbody: 1\n---\nname: greet\nbody: [2]\n"),
        ],
    )
    def test_a_line_for_each_task_has_its_id(
        self, name: str, text: str, service: str, world: World, tmp_path: Path
    ) -> None:
        (tmp_path / name).write_text(text)
        ran = taskctl(service, "run-many", str(tmp_path / name))
        assert (ran.code, ran.err) == (0, "")
        assert ran.out.split() == [*world.tasks.records]
        assert bodies(world) == ["1", "[2]"]

    @pytest.mark.parametrize("text", ['[{"name": "greet", "body": 1}]', "- name: greet\n  body: 1\n"])
    def test_stdin_is_json_or_yaml(self, text: str, service: str, world: World) -> None:
        assert taskctl(service, "run-many", "-", stdin=text).code == 0
        assert bodies(world) == ["1"]

    def test_tasks_are_sent_as_they_are_written(self, scripted: HttpTarget) -> None:
        scripted.on(PATH, answer(body=created("a", "b")))
        body = '{"b": 1.10,"a":12345678901234567890, "c" : 1e999, "u": "é\\u00e9", "d": ' + "9" * 5_000 + "}"
        task = f'{{"name": "greet", "body":{body}}}'
        assert taskctl(scripted.url(""), "run-many", "-", stdin=f"{task}\n{task}").code == 0
        assert [call.body.decode() for call in scripted.calls] == [f"[{task},{task}]"]

    def test_the_character_that_the_service_refuses_is_sent_as_an_escape(self, service: str, world: World) -> None:
        assert taskctl(service, "run-many", "-", stdin='{"name": "greet", "body": "\ufffd"}').code == 0
        assert bodies(world) == [r'"\ufffd"']

    @pytest.mark.parametrize(
        ("text", "fault"),
        [
            ("", "there is no task in it"),
            ("[]", "there is no task in it"),
            ("[", "line 1 column 2: Expecting value"),
            ('[{"name": "x", "body": 1}', "line 1 column 26: Expecting ',' delimiter"),
            ('[{"name": "x", "body": 1},]', "line 1 column 27: Expecting value"),
            ('[{"name": "x", "body": 1}] 2', "line 1 column 28: Extra data"),
            ('{"name": "x", "body": 1}\n{"name": "y"', "line 2 column 13: Expecting ',' delimiter"),
            ('{"name": "x", "body": NaN}', "NaN is not JSON"),
            ('{"name": "x", "body": 1, "body": 2}', "the member 'body' is there twice"),
            ('[{"name": "x", "body": 1}, 2]', "task 2: an object is expected"),
            ('{"name": "x"}', "task 1: body: a JSON value is expected"),
            ('{"name": "", "body": 1}', "task 1: name: a string that is not empty is expected"),
            ('{"body": 1}', "task 1: name: a string that is not empty is expected"),
            ('{"name": "x", "body": 1, "idempotencyKey": null}', "task 1: idempotencyKey: a string is expected"),
            ('{"name": "x", "body": ' + "[" * 100_000, "it is nested too deep"),
            ("- name: [", "line 1: "),
            ("- name: x\n  body: .inf", "it has a value that JSON does not have"),
            ("- name: x\n  body: !!binary aGVsbG8=", "it has a value that JSON does not have"),
            ("just words", "task 1: an object is expected"),
        ],
    )
    def test_of_a_bad_file_nothing_is_created(self, text: str, fault: str, service: str, world: World) -> None:
        ran = taskctl(service, "run-many", "-", stdin=text)
        assert (ran.code, ran.out) == (1, "")
        assert ran.err.startswith(f"error: nothing is created: stdin: {fault}")
        assert ran.err.endswith("; correct the file.\n")
        assert world.tasks.records == {}

    def test_a_file_that_is_not_utf_8(self, tmp_path: Path) -> None:
        (tmp_path / "a.json").write_bytes(b'[{"name": "\xff')
        with pytest.raises(Refused, match="it is not UTF-8 at byte 11"):
            read_orders(str(tmp_path / "a.json"))

    def test_a_file_that_is_not_there(self) -> None:
        ran = taskctl("", "run-many", "/nowhere")
        assert (ran.code, ran.err) == (
            *(2, "error: /nowhere cannot be read (No such file or directory); name a file, or - for stdin.\n"),
        )


class TestRequests:
    def test_any_number_is_created_in_order_with_a_hundred_a_request(self, service: str, world: World) -> None:
        ran = taskctl(service, "run-many", "-", stdin=lines(*map(greet, range(250))))
        assert ran.code == 0
        assert ran.out.split() == [*world.tasks.records]
        assert bodies(world) == [str(number) for number in range(250)]

    def test_a_request_is_no_larger_than_the_service_takes(self) -> None:
        def order(number: int, text: str) -> Order:
            return Order(number=number, text=text, has_key=False)

        # Escaped, each quote is two bytes; the last one is too large for others beside it.
        texts = ['"é"' * 300_000, '"' * 1_300_000, "x" * 1_000_000, "y" * 9, "z" * orders.LARGEST, "1"]
        given = [order(number, text) for number, text in enumerate(texts, 1)]

        found = [*requests_of(given)]

        assert [[one.number for one in request] for request in found] == [[1, 2], [3, 4], [5], [6]]
        for request in found:
            escaped = json.dumps(body_of(request).decode(), ensure_ascii=False).encode()
            assert len(request) == 1 or len(escaped) <= orders.LARGEST + 10
        assert all(one[-1].number + 1 == other[0].number for one, other in pairwise(found))

    def test_tasks_that_are_large_together_are_created(self, service: str, world: World) -> None:
        ran = taskctl(service, "run-many", "-", stdin=lines(*[greet("x" * 1_000_000)] * 7))
        assert (ran.code, len(world.tasks.records)) == (0, 7)

    def test_the_trace_is_that_of_the_command(self, service: str, world: World) -> None:
        parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        taskctl(service, "run-many", "-", "--traceparent", parent, stdin=lines(greet(1), greet(2)))
        traces = [record.context.trace for record in world.tasks.records.values()]
        assert [trace and trace.id for trace in traces] == ["4bf92f3577b34da6a3ce929d0e0e4736"] * 2

    @pytest.mark.parametrize(
        "arguments", [["--idempotency-key", "ä"], ["--idempotency-key", "x" * 250], ["--traceparent", "00-0-0-01"]]
    )
    def test_an_option_that_is_wrong_is_refused_before_anything_is_sent(
        self, arguments: list[str], scripted: HttpTarget
    ) -> None:
        ran = taskctl(scripted.url(""), "run-many", "-", *arguments, stdin=lines(greet(1)))
        assert (ran.code, scripted.calls) == (2, [])


class TestKeys:
    def test_with_a_key_a_repetition_creates_none_twice(self, service: str, world: World) -> None:
        given = lines(*map(greet, range(120)))
        first = taskctl(service, "run-many", "-", "--idempotency-key", "orders", stdin=given)
        again = taskctl(service, "run-many", "-", "--idempotency-key", "orders", stdin=given)
        assert first.out == again.out
        assert len(world.tasks.records) == 120

    def test_each_task_has_its_own_key_and_keeps_one_that_it_has(self, tmp_path: Path) -> None:
        (tmp_path / "a.jsonl").write_text(lines(greet(1), greet(2, idempotencyKey="mine"), greet({"a": '"'})))
        found = read_orders(str(tmp_path / "a.jsonl"), "k")
        assert [json.loads(one.text)["idempotencyKey"] for one in found] == ["k-1", "mine", "k-3"]
        assert [json.loads(one.text)["body"] for one in found] == [1, 2, {"a": '"'}]
        assert all(one.has_key for one in found)

    def test_a_file_whose_tasks_have_moved_is_refused_not_created_twice(self, service: str, world: World) -> None:
        taskctl(service, "run-many", "-", "--idempotency-key", "k", stdin=lines(greet(1), greet(2)))
        ran = taskctl(service, "run-many", "-", "--idempotency-key", "k", stdin=lines(greet(2)))
        assert (ran.code, "it was used for another request" in ran.out) == (1, True)
        assert len(world.tasks.records) == 2


class TestRefusals:
    def test_an_item_that_is_refused_has_its_line_and_the_others_are_created(self, service: str, world: World) -> None:
        given = lines(greet(1), {"name": "grete", "body": 2}, greet(3, delaySeconds=-1), greet(4))
        ran = taskctl(service, "run-many", "-", stdin=given)
        first, second, third, fourth = ran.out.splitlines()
        assert (ran.code, [first, fourth]) == (6, [*world.tasks.records])
        assert second == "error: task template not found"
        assert third.startswith("error: delaySeconds: ")
        assert ran.err.startswith(
            "error: 2 of 4 tasks are created; task 2: task template not found, task 3: delaySeconds: "
        )
        assert ran.err.endswith("; correct and send these only.\n")

    def test_scripts_get_a_line_of_json_for_each(self, service: str, world: World) -> None:
        ran = taskctl(service, "run-many", "-", "-o", "json", stdin=lines(greet(1), {"name": "grete", "body": 2}))
        assert ran.lines == [
            {"number": 1, "id": next(iter(world.tasks.records)), "error": None, "status": None},
            {"number": 2, "id": None, "error": "task template not found", "status": 404},
        ]
        assert json.loads(ran.err)["exitCode"] == 6

    def test_if_all_are_refused_the_code_says_so_and_few_are_named(self, service: str) -> None:
        ran = taskctl(service, "run-many", "-", stdin=lines(*[{"name": "grete", "body": 2}] * 300))
        assert (ran.code, len(ran.out.splitlines())) == (1, 300)
        assert "task 3: task template not found, and 297 more; correct" in ran.err

    def test_with_keys_the_whole_file_can_be_repeated(self, service: str) -> None:
        given = lines(greet(1), {"name": "grete", "body": 2})
        ran = taskctl(service, "run-many", "-", "--idempotency-key", "k", stdin=given)
        assert ran.err.endswith("; correct the file and repeat the command, the keys of the tasks create none twice.\n")

    def test_an_item_that_the_service_cannot_write_now_is_no_refusal(self, scripted: HttpTarget) -> None:
        scripted.on(PATH, answer(207, b'[{"message": "the task was not written", "status": 503}]'))
        ran = taskctl(scripted.url(""), "run-many", "-", stdin=lines(greet(1)))
        assert (ran.code, ran.out) == (5, "error: the task was not written\n")
        assert ran.err.endswith(
            "task 1: the task was not written; find out with taskctl ls which are there, "
            "and send the others; --idempotency-key makes a repetition safe.\n"
        )

    def test_a_request_that_is_refused_as_a_whole_does_not_stop_the_others(self, scripted: HttpTarget) -> None:
        scripted.on(PATH, in_turn(creating, answer(413, b'{"message": "payload too large"}'), creating))
        ran = taskctl(scripted.url(""), "run-many", "-", stdin=lines(*map(greet, range(201))))
        assert (ran.code, ran.out.splitlines().count("error: payload too large")) == (6, 100)
        assert "101 of 201 tasks are created" in ran.err


class TestFaults:
    @pytest.mark.parametrize(
        ("behaviour", "problem"),
        [
            (close, "closes the connection without an answer"),
            (garbage, "does not answer as an HTTP server does"),
            (answer(503, b'{"message": "the queue is not available"}'), "answers 503: the queue is not available"),
            (answer(502, b"<html>"), "answers 502, which is no answer of the task service"),
            (answer(body=b"{}"), "it has another form"),
            (answer(body=b"<html>"), "it is not JSON"),
            (answer(body=created("a", "b")), "it has 2 entries for 100 tasks"),
            (answer(body=b"[]"), "it has 0 entries for 100 tasks"),
        ],
    )
    def test_a_service_that_goes_in_the_middle(self, behaviour: Behaviour, problem: str, scripted: HttpTarget) -> None:
        scripted.on(PATH, in_turn(creating, behaviour, creating))
        ran = taskctl(scripted.url(""), "run-many", "-", stdin=lines(*map(greet, range(250))))
        # What was answered for is written; nothing is sent after the fault, and nothing is sent again.
        assert (ran.code, len(ran.out.split()), len(scripted.calls)) == (6, 100, 2)
        assert problem in ran.err
        assert "; 100 of 250 tasks are created, tasks 101 to 200 may be, tasks 201 to 250 are not; find out" in ran.err

    def test_at_the_beginning_the_code_is_that_of_no_answer(self, scripted: HttpTarget) -> None:
        scripted.on(PATH, close)
        ran = taskctl(scripted.url(""), "run-many", "-", "--idempotency-key", "k", stdin=lines(greet(1)))
        assert (ran.code, ran.out) == (5, "")
        assert ran.err.endswith(
            "0 of 1 tasks are created, task 1 may be; repeat the command, the keys of the tasks create none twice.\n"
        )

    def test_after_an_outage_the_same_command_does_the_rest(
        self, service: str, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        given = lines(*map(greet, range(250)))
        real: Callable[..., Any] = run_many._create
        parts: list[int] = []

        def answer_is_lost(server: Any, request: list[Order], headers: dict[str, str]) -> Any:
            answered = real(server, request, headers)
            parts.append(len(answered))
            if len(parts) == 2:
                raise NoAnswer("the answer is lost")
            return answered

        monkeypatch.setattr(run_many, "_create", answer_is_lost)
        first = taskctl(service, "run-many", "-", "--idempotency-key", "k", stdin=given)
        again = taskctl(service, "run-many", "-", "--idempotency-key", "k", stdin=given)

        assert (first.code, again.code) == (6, 0)
        assert again.out.startswith(first.out)
        assert {*again.out.split()} == world.tasks.records.keys()
        assert len(world.tasks.records) == 250

    def test_a_token_that_ends_in_the_middle(self, scripted: HttpTarget) -> None:
        scripted.on(PATH, in_turn(creating, answer(401, b'{"message": "the token has expired"}')))
        ran = taskctl(scripted.url(""), "run-many", "-", stdin=lines(*map(greet, range(101))))
        assert (ran.code, "100 of 101 tasks are created, task 101 is not; give a token" in ran.err) == (6, True)

        scripted.on(PATH, answer(401, b'{"message": "the token has expired"}'))
        assert taskctl(scripted.url(""), "run-many", "-", stdin=lines(greet(1))).code == 4

    @pytest.mark.parametrize("item", [1, None, {}, {"taskID": ""}, {"taskID": 1}, {"message": 1}, {"message": "x"}])
    def test_an_entry_that_is_rubbish_says_nothing_of_the_others(self, item: Any, scripted: HttpTarget) -> None:
        scripted.on(PATH, answer(207, json.dumps([{"taskID": "a"}, item]).encode()))
        ran = taskctl(scripted.url(""), "run-many", "-", stdin=lines(greet(1), greet(2)))
        assert (ran.code, ran.out.splitlines()) == (
            *(6, ["a", "error: the answer is none of the task service: it has another form"]),
        )

    def test_ctrl_c_says_how_far_it_came(self, scripted: HttpTarget, monkeypatch: pytest.MonkeyPatch) -> None:
        scripted.on(PATH, creating)
        shown: list[int] = []
        real = run_many._show

        def pressed(screen: Screen, one: run_many.Outcome) -> None:
            real(screen, one)
            shown.append(one.number)
            if len(shown) == 102:
                raise KeyboardInterrupt

        monkeypatch.setattr(run_many, "_show", pressed)
        ran = taskctl(scripted.url(""), "run-many", "-", stdin=lines(*map(greet, range(250))))
        assert (ran.code, ran.err.splitlines()[-1]) == (130, "Interrupted.")
        assert ran.err.startswith("100 of 250 tasks are created, tasks 101 to 200 may be, tasks 201 to 250 are not; ")

    @pytest.mark.parametrize("form", ["text", "json"])
    def test_no_answer_acts_on_the_terminal(self, form: str, scripted: HttpTarget) -> None:
        items = [{"taskID": EVIL}, {"message": EVIL, "status": 400}]
        scripted.on(PATH, answer(207, json.dumps(items).encode()))
        ran = taskctl(scripted.url(""), "run-many", "-", "-o", form, stdin=lines(greet(1), greet(2)))
        assert harmless(ran.out + ran.err)
        assert len(ran.out.splitlines()) == 2
