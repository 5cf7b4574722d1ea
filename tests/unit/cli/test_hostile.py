"""What the service says is hostile: no character of it acts on the terminal."""

import json
import unicodedata
from typing import Any

import pytest

from taskctl.hostile import plain, plain_json, without_credentials
from tests.support.behaviours import answer
from tests.support.targets import HttpTarget
from tests.support.taskctl import taskctl

EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\r\u202eabc\u2028\ud800[red]x[/red]:smile:"
ID = "1b671a64-40d5-491e-99b0-da01ff1f3341"


def harmless(text: str) -> bool:
    """Whether a text has nothing but lines of characters that are shown as they are."""
    return all(
        character == "\n" or unicodedata.category(character)[0] not in "CZ" or character == " " for character in text
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("späte Grüße 漢字", "späte Grüße 漢字"),
        ("a\x1b[2J", r"a\x1b[2J"),
        ("a\nb\tc", r"a\nb\tc"),
        ("\x9b", r"\x9b"),
        ("\u202e", r"\u202e"),
        ("\ud800", r"\ud800"),
        ("\U000e0001", r"\U000e0001"),
    ],
)
def test_a_text_is_one_line_of_what_can_be_shown(text: str, shown: str) -> None:
    assert plain(text) == shown


@pytest.mark.parametrize("value", [EVIL, {EVIL: [EVIL]}, "\U000e0001", 1.5])
def test_json_means_the_same_afterwards(value: Any) -> None:
    text = plain_json(json.dumps(value, ensure_ascii=False))
    assert json.loads(text) == value
    assert harmless(text)


def test_a_password_in_a_url_is_not_shown() -> None:
    assert without_credentials("nats://me:secret@host:1/a@b") == "nats://***@host:1/a@b"


def body(value: object) -> bytes:
    """A JSON text with the characters themselves where JSON allows that."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace")


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize(
    "arguments",
    [
        ["ls"],
        ["ls", "lists"],
        ["ls", "taskTemplates"],
        ["watch", ID],
        ["result", ID],
        ["result", "list"],
        ["cancel", ID],
        ["replay", ID],
        ["replay", "--name", "x", "--yes"],
        ["run", "x", "--wait"],
        ["run", "x", "--list", "--wait"],
        ["run", "refused"],
        ["export", "-"],
    ],
    ids=" ".join,
)
def test_no_command_writes_what_a_terminal_acts_on(arguments: list[str], form: str, scripted: HttpTarget) -> None:
    times = {"createdAt": "2026-01-01T00:00:00Z", "startedAt": EVIL, "finishedAt": "2026-01-01T00:00:00Z"}
    history = [{"attempt": EVIL, "startedAt": EVIL, "finishedAt": 1, "responseCode": EVIL, "error": EVIL}]
    about = {"traceId": EVIL, "createdBy": EVIL, "cancelledBy": EVIL, "replayedBy": EVIL, "notBefore": EVIL}
    task = {"id": ID, "name": EVIL, "status": "failed", "attempts": 1, "error": EVIL, **times, **about}
    task |= {"history": history}
    group = {"id": EVIL, "status": EVIL, "error": EVIL, "tasks": [task | {"id": f"{ID}.0.0"}, task | {"id": EVIL}]}
    found = {"id": "list", "status": "failed", "name": EVIL, "groups": [group], **times, **about}
    error = answer(404, body({"message": EVIL}))
    page = {"items": [task | {"url": EVIL, "method": EVIL, "groups": []}], "next": None}
    for path, behaviour in {
        "/v1/tasks": answer(body=body(page)),
        "/v1/taskLists": answer(body=body(page)),
        "/v1/taskTemplates": answer(body=body(page)),
        "/v1/taskListTemplates": answer(body=body({"items": [], "next": None})),
        "/v1/policies": answer(body=body({"items": [], "next": None})),
        "/v1/eventTasks": answer(body=body({"items": [], "next": None})),
        f"/v1/taskStatus/{ID}": answer(207, body(task)),
        f"/v1/taskStatus/{ID}.0.0": answer(207, body(task)),
        "/v1/taskStatus/list": error,
        "/v1/taskListStatus/list": answer(207, body(found)),
        f"/v1/taskResult/{ID}": answer(424, body({"message": EVIL})),
        "/v1/taskResult/list": error,
        f"/v1/tasks/{ID}/cancel": answer(409, body({"message": EVIL})),
        f"/v1/tasks/{ID}/replay": answer(200, body(task)),
        "/v1/replays": answer(body=body({"items": [], "skipped": [{"id": EVIL, "reason": EVIL}], "next": None})),
        "/v1/taskListTemplates/x": error,
        "/v1/taskListTemplates/refused": error,
        "/v1/task/x": answer(body=body({"taskID": ID})),
        "/v1/task/refused": error,
        "/v1/taskList/x": answer(body=body({"taskListID": "list"})),
    }.items():
        scripted.on(path, behaviour)
    # The tasks of the list have ids that no path can have.
    scripted.on("/v1/taskStatus/" + "%1B%5D0%3Bowned%07%1B%5B2J%C2%9B31m%0D%E2%80%AEabc%E2%80%A8", error)

    ran = taskctl(scripted.url(""), *arguments, "-o", form)

    assert harmless(ran.out + ran.err), ran
    assert ran.out + ran.err
    assert "[red]" not in ran.out + ran.err or "[red]x[/red]:smile:" in ran.out + ran.err


def test_a_result_is_shown_as_the_service_has_it_with_its_numbers(scripted: HttpTarget) -> None:
    scripted.on(f"/v1/taskResult/{ID}", answer(body='{"b":1.10,"a":12345678901234567890,"x":"\x9b"}'.encode()))
    assert taskctl(scripted.url(""), "result", ID).out == '{"b":1.10,"a":12345678901234567890,"x":"\\u009b"}\n'
