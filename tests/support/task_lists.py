"""Task lists as their clients see them."""

import json
from typing import Any, Final

from tests.support.api import PATIENCE, Answer, Api, eventually

STATUS: Final = {"done": 200, "created": 201, "pending": 202, "failed": 207, "cancelled": 207}


def list_template(api: Api, name: str, *groups: tuple[str, list[str]]) -> str:
    """Write a list template of groups of (execution, names of task templates); returns its name."""
    document = {"groups": [{"execution": execution, "tasks": tasks} for execution, tasks in groups]}
    answer = api.call("PUT", f"/v1/taskListTemplates/{name}", json.dumps(document))
    assert answer.status in (200, 201), answer
    return name


def create_list(api: Api, name: str, body: str = "{}") -> str:
    """Create a list; returns its id."""
    answer = api.call("POST", f"/v1/taskList/{name}", body)
    assert answer.status == 200, answer
    assert list(answer.json()) == ["taskListID"]
    list_id: str = answer.json()["taskListID"]
    return list_id


def list_status(api: Api, list_id: str) -> Answer:
    """The answer of taskListStatus, whose HTTP status says the same as its body."""
    answer = api.call("GET", f"/v1/taskListStatus/{list_id}")
    assert answer.status == STATUS[answer.json()["status"]]
    return answer


def states(api: Api, list_id: str) -> list[Any]:
    """The states of a list: its own, then of each group its own and those of its tasks."""
    body = list_status(api, list_id).json()
    assert body["id"] == list_id
    groups = [[group["status"], *(task["status"] for task in group.get("tasks", []))] for group in body["groups"]]
    ids = [[task["id"] for task in group.get("tasks", [])] for group in body["groups"]]
    assert ids == [[f"{list_id}.{g}.{t}" for t in range(len(group))] for g, group in enumerate(ids)]
    return [body["status"], *groups]


def ended_states(api: Api, list_id: str, *, seconds: float = PATIENCE) -> list[Any]:
    """The states of a list once it has ended."""
    eventually(
        lambda: list_status(api, list_id).status in (200, 207), what=f"list {list_id} has ended", seconds=seconds
    )
    return states(api, list_id)
