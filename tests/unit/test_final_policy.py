"""A group's final policy: what it is given and what it makes of it are bounded, so that both can be carried."""

import json
from bisect import bisect_left
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

import pytest

from task_service.domain import json_text
from task_service.domain.call import Answered
from task_service.domain.messages import GroupStart
from task_service.domain.task import Body, State
from task_service.domain.task_list import GroupState, Overview, Plan, TaskListTemplate
from task_service.testing import (
    FakeClock,
    InMemoryBodies,
    InMemoryLists,
    InMemoryPlatform,
    InMemoryTasks,
    ScriptedOutside,
    ScriptedPolicies,
    ScriptedTarget,
)
from task_service.usecases.read_list import ListReader
from tests.support.builders import NOW, list_document, services, task_list, template

LIST_ID: Final = "80e7d5e0-70ca-4337-8d78-d770ba98a3f1"


@dataclass
class NotedBodies(InMemoryBodies):
    """Bodies that note what is loaded."""

    loaded: list[str | None] = field(default_factory=list)

    def load(self, body: Body) -> str:
        """The text of a stored body."""
        self.loaded.append(body.blob)
        return super().load(body)


class World:
    """A list that runs from its start to its end."""

    def __init__(self, *groups: str, results: list[str], policy: str) -> None:
        self.bodies = NotedBodies()
        platform = InMemoryPlatform(clock=FakeClock(NOW), bodies=self.bodies)
        self.lists = platform.lists
        self.inputs: list[str] = []
        self.policy = policy
        target = ScriptedTarget([Answered(status=200, result=result) for result in results])
        names = [f"t{position}" for position in range(len(results))]
        plan = Plan(
            template=TaskListTemplate.from_text(list_document(*groups, final_policy="p")),
            tasks={name: template(name) for name in names},
        )
        self.lists.add(task_list(plan=Body(text=plan.to_text())))
        outside = ScriptedOutside(target=target, policies=ScriptedPolicies({"p": self._evaluate}))
        handler = services(platform, outside).message_handler
        handler.handle(GroupStart(list_id="list"), receipt="r", deadline=NOW + timedelta(seconds=300))

    def _evaluate(self, text: str) -> str:
        self.inputs.append(text)
        return self.policy


def string(size: int) -> str:
    """A JSON string of that many bytes."""
    return f'"{"a" * (size - 2)}"'


def test_results_of_five_megabytes_together_are_given_to_the_policy() -> None:
    results = [string(2_499_998), string(2_499_999)]
    world = World("sequential 2", results=results, policy="1")
    assert world.inputs == [f"[{','.join(results)}]"]
    assert len(world.inputs[0]) == json_text.MAX_BYTES
    assert world.lists.groups["list", 0].state is State.DONE


def test_of_one_byte_more_the_rest_is_not_loaded_and_the_group_fails() -> None:
    world = World("sequential 3", results=[string(2_499_998), string(2_500_000), string(1_000)], policy="1")
    group = world.lists.groups["list", 0]
    assert group.state is State.FAILED
    assert group.error == "the results are too large an input for policy 'p': at most 5000000 bytes are allowed"
    assert world.inputs == []
    assert "results/list.0.1/1" in world.bodies.loaded
    assert "results/list.0.2/1" not in world.bodies.loaded


@pytest.mark.parametrize(
    ("groups", "most"),
    [
        (["sequential 1"], 4_999_616),
        (["sequential 1"] * 2, 2_499_680),
        (["parallel 0"] + ["sequential 1"] * 9, 499_744),
    ],
)
def test_the_groups_of_a_list_have_equal_shares_of_its_status(groups: list[str], most: int) -> None:
    world = World(*groups, results=["1"], policy=string(most))
    assert [group.state for group in world.lists.groups.values()] == [State.DONE] * len(groups)
    world = World(*groups, results=["1"], policy=string(most + 1))
    assert [group.state for group in world.lists.groups.values()] == [State.FAILED] * len(groups)
    reason = f"the result of policy 'p' is too large: {most + 1} bytes, at most {most} are allowed"
    assert {group.error for group in world.lists.groups.values()} == {reason}


def test_a_share_is_one_of_what_is_escaped_for_transport_too() -> None:
    quotes = "[" + '"",' * 799_999 + '""]'
    world = World("sequential 1", "sequential 1", results=["1"], policy=quotes)
    assert len(quotes) < 2_499_680
    error = world.lists.groups["list", 0].error
    assert error is not None
    assert "when escaped for transport, at most 2999680 are allowed" in error


def document(groups: int, tasks: int, *, policies: int) -> str:
    """A list template of so many groups, each of so many tasks; so many of them with a final policy."""
    plain: dict[str, Any] = {"execution": "parallel", "tasks": ["t"] * tasks}
    whole = [{**plain, "finalPolicy": "p" if index < policies else ""} for index in range(groups)]
    return json.dumps({"name": "many", "groups": whole})


@pytest.mark.parametrize("item", ["1,", '"",', '"é",'])
@pytest.mark.parametrize(
    ("groups", "tasks", "policies"), [(1, 1, 1), (1, 1_000, 1), (1_000, 1, 1), (1_000, 1, 999), (1_000, 1, 1_000)]
)
def test_a_status_with_the_largest_results_can_be_carried(groups: int, tasks: int, policies: int, item: str) -> None:
    plan = Plan(
        template=TaskListTemplate.from_text(document(groups, tasks, policies=policies)), tasks={"t": template("t")}
    )

    def text(items: int) -> str:
        return f"[{item * items}1]"

    # Lambda carries 6 MB.
    known = range(6_000_000 // len(item))
    too_many = bisect_left(known, True, key=lambda items: plan.result_fault(text(items)) is not None)
    assert too_many < len(known)
    result = Body(text=text(too_many - 1))
    overview = Overview(
        task_list=task_list(LIST_ID, state=State.CANCELLED),
        plan=plan,
        groups={index: GroupState(index=index, state=State.DONE, result=result) for index in range(policies)},
        tasks={},
    )
    reading = ListReader(lists=InMemoryLists(InMemoryTasks()), bodies=InMemoryBodies(), clock=FakeClock(NOW))
    status = reading.status_text(overview)
    json_text.check(status)
    assert json_text.too_large(status) is None
