"""The history of a task's attempts, and the names in a list's status."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from task_service.adapters.aws.s3 import INLINE_BYTES
from task_service.domain import json_text
from task_service.domain.history import ERROR_CHARACTERS, MOST, History, PastAttempt, extended, from_text, to_text
from task_service.domain.limits import MAX_DOCUMENT_BYTES
from task_service.domain.task import Body, State
from task_service.domain.task_list import GroupState, Overview, Plan, TaskListTemplate
from task_service.testing import FakeClock, InMemoryBodies, InMemoryLists, InMemoryTasks
from task_service.usecases.read_list import ListReader
from tests.support.builders import NOW, list_document, task, task_list, template

DYNAMODB_ITEM_BYTES = 400 * 1_024

BUSY = PastAttempt(
    attempt=1, started_at=NOW, finished_at=NOW + timedelta(milliseconds=17), response_code=503, error="busy"
)


def test_a_history_is_read_as_it_was_written() -> None:
    history = (BUSY, replace(BUSY, attempt=2, finished_at=None, response_code=None, error='"\0日'))
    assert from_text(to_text(history)) == history


@pytest.mark.parametrize("character", ["x", "\0", "日", "\N{GRINNING FACE}"])
def test_the_longest_history_fits_beside_the_largest_template_and_bodies(character: str) -> None:
    history: History = ()
    for _ in range(MOST + 1):
        history = extended(history, replace(BUSY, error=character * 10_000))
    others = MAX_DOCUMENT_BYTES + 2 * INLINE_BYTES + 5_000
    assert json_text.size(to_text(history)) + others < DYNAMODB_ITEM_BYTES


def test_a_long_error_is_cut_and_says_so() -> None:
    [cut] = extended((), replace(BUSY, error="x" * (ERROR_CHARACTERS + 1)))
    assert cut.error == "x" * (ERROR_CHARACTERS - 1) + "…"
    [whole] = extended((), replace(BUSY, error="x" * ERROR_CHARACTERS))
    assert whole.error == "x" * ERROR_CHARACTERS


def test_half_a_surrogate_pair_in_an_error_is_replaced() -> None:
    [kept] = extended((), replace(BUSY, error="the target answered \ud800"))
    assert kept.error == "the target answered ?"


def test_a_task_that_was_skipped_in_its_list_has_no_history() -> None:
    assert task(state=State.FAILED, error="not called").history == ()


# -- names in a list's status


def status_of(document: str, *, result: str | None = None) -> str:
    listed = TaskListTemplate.from_text(document)
    plan = Plan(template=listed, tasks={name: template(name) for name in listed.task_names})
    state = GroupState(index=0, state=State.DONE, result=None if result is None else Body(text=result))
    overview = Overview(
        task_list=task_list("list", name=listed.name, state=State.DONE, finished_at=NOW),
        plan=plan,
        groups={0: state},
        tasks={},
    )
    reader = ListReader(lists=InMemoryLists(InMemoryTasks()), bodies=InMemoryBodies(), clock=FakeClock(NOW))
    return reader.status_text(overview)


def test_a_lists_status_has_names_and_times() -> None:
    assert json.loads(status_of(list_document("sequential 2", name="on boarding"))) == {
        "id": "list",
        "status": "done",
        "name": "on boarding",
        "createdAt": "2026-01-01T00:00:00.000Z",
        "finishedAt": "2026-01-01T00:00:00.000Z",
        "groups": [
            {
                "id": "list.0",
                "status": "done",
                "tasks": [
                    {"id": "list.0.0", "name": "t0", "status": "done"},
                    {"id": "list.0.1", "name": "t1", "status": "done"},
                ],
            }
        ],
    }


def test_names_are_left_out_where_a_status_could_not_be_carried_with_them() -> None:
    names = [f"{number:03}" + '"' * 997 for number in range(1_000)]
    document = json.dumps({"name": "long", "groups": [{"execution": "parallel", "tasks": names}]})
    carried = json.loads(status_of(document))
    assert carried["groups"][0]["tasks"][1] == {"id": "list.0.1", "name": names[1], "status": "done"}

    status = status_of(document, result='"' + "x" * 4_000_000 + '"')

    assert json_text.too_large(status) is None
    left = json.loads(status)
    assert left.keys() == {"id", "status", "groups"}
    assert left["groups"][0]["tasks"][1] == {"id": "list.0.1", "status": "done"}
