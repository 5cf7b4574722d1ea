"""How a list moves on, and what clients see of it."""

from typing import Any

import pytest

from task_service.domain.advance import (
    CloseGroup,
    EndList,
    Move,
    Progress,
    RunTask,
    SendTasks,
    Started,
    StartGroup,
    TaskEnded,
    advance,
)
from task_service.domain.task import Place, State, place_of
from task_service.domain.task_list import CHUNK, GroupState, Overview, Plan, TaskListTemplate
from tests.support import builders
from tests.support.builders import list_document, template

DONE, FAILED, CREATED, PENDING = State.DONE, State.FAILED, State.CREATED, State.PENDING


def plan(*groups: str) -> Plan:
    """Groups as "sequential 3", "parallel 5", …"""
    return Plan(template=TaskListTemplate.from_text(list_document(*groups)), tasks={})


def group(index: int = 0, state: State = PENDING, **changes: Any) -> GroupState:
    sets: dict[str, Any] = {name: frozenset(changes.pop(name, ())) for name in ("outstanding", "failed")}
    return GroupState(index=index, state=state, **sets, **changes)


@pytest.mark.parametrize(
    ("plan", "state", "progress", "expected"),
    [
        (plan("sequential 2"), group(), Started(), RunTask(0)),
        (plan("sequential 2"), group(), TaskEnded(0, True), RunTask(1)),
        (plan("sequential 2"), group(), TaskEnded(1, True), CloseGroup(well=True)),
        (plan("sequential 2"), group(), TaskEnded(0, False), CloseGroup(well=False, stopped_at=0)),
        (plan("sequential 2"), group(), TaskEnded(1, False), CloseGroup(well=False, stopped_at=1)),
        (plan("parallel 3"), group(outstanding={0, 1, 2}), Started(), SendTasks((0, 1, 2))),
        (plan("parallel 3"), group(outstanding={2}), Started(), SendTasks((2,))),
        (plan("parallel 3"), group(outstanding={2}), TaskEnded(0, True), None),
        (plan("parallel 3"), group(outstanding={2}, failed={0}), TaskEnded(0, False), None),
        (plan("parallel 3"), group(), TaskEnded(2, True), CloseGroup(well=True)),
        (plan("parallel 3"), group(failed={0}), TaskEnded(2, True), CloseGroup(well=False)),
        (plan("parallel 0", "parallel 1"), group(), Started(), CloseGroup(well=True)),
        (plan("sequential 0", "parallel 1"), group(), Started(), CloseGroup(well=True)),
        (plan("sequential 1", "parallel 1"), group(state=DONE), Started(), StartGroup(1, failed_before=False)),
        (plan("sequential 1", "parallel 1"), group(state=FAILED), Started(), StartGroup(1, failed_before=True)),
        (
            plan("sequential 1", "parallel 1", "parallel 1"),
            group(1, DONE, failed_before=True),
            Started(),
            StartGroup(2, failed_before=True),
        ),
        (plan("sequential 1"), group(state=DONE), TaskEnded(0, True), EndList(well=True)),
        (plan("sequential 1"), group(state=FAILED), Started(), EndList(well=False)),
        (plan("parallel 1", "parallel 1"), group(1, DONE, failed_before=True), Started(), EndList(well=False)),
    ],
)
def test_what_follows(plan: Plan, state: GroupState, progress: Progress, expected: Move | None) -> None:
    assert advance(plan, state, progress) == expected


def test_of_a_large_group_the_tasks_of_outstanding_chunks_are_sent() -> None:
    large = plan(f"parallel {2 * CHUNK + 10}")
    assert advance(large, group(outstanding={2}), Started()) == SendTasks(tuple(range(2 * CHUNK, 2 * CHUNK + 10)))


def test_a_plan_is_read_as_it_was_written() -> None:
    written = Plan(
        template=TaskListTemplate.from_text(list_document("sequential 2", final_policy="p", cacheScope="é")),
        tasks={"t0": template("t0"), "t1": template("t1", headers={"A": '"'})},
    )
    assert Plan.from_text(written.to_text()) == written


@pytest.mark.parametrize(
    ("task_id", "place"),
    [
        ("abc.0.12", Place(list_id="abc", group=0, position=12)),
        ("abc", None),
        ("abc.1", None),
        ("abc.1.2.3", None),
        ("abc.01.2", None),
        ("abc.-1.2", None),
        ("abc.x.2", None),
        ("abc.1.99999", None),
        ("abc.\u0661.2", None),
        ("", None),
    ],
)
def test_a_lists_task_id_names_its_place(task_id: str, place: Place | None) -> None:
    assert place_of(task_id) == place
    assert place is None or place.task_id == task_id


class TestOverview:
    """Every state at every stage."""

    def overview(
        self,
        plan: Plan,
        *groups: GroupState,
        tasks: dict[tuple[int, int], State] | None = None,
        failed: dict[int, frozenset[int]] | None = None,
        state: State = CREATED,
    ) -> Overview:
        task_list = builders.task_list("l", state=state)
        return Overview(
            task_list=task_list,
            plan=plan,
            groups={group.index: group for group in groups},
            tasks=tasks or {},
            failed=failed or {},
        )

    def test_a_list_that_has_not_started(self) -> None:
        overview = self.overview(plan("sequential 2", "parallel 0"))
        assert overview.state is CREATED
        assert [overview.group_state(index) for index in (0, 1)] == [CREATED, CREATED]
        assert overview.task_states(0) == [CREATED, CREATED]
        assert overview.task_states(1) == []

    def test_a_sequence_under_way(self) -> None:
        overview = self.overview(plan("sequential 3", "parallel 1"), group(), tasks={(0, 0): DONE, (0, 1): PENDING})
        assert overview.state is PENDING
        assert [overview.group_state(index) for index in (0, 1)] == [PENDING, CREATED]
        assert overview.task_states(0) == [DONE, PENDING, CREATED]

    def test_a_sequence_that_failed_fails_the_rest_at_once(self) -> None:
        overview = self.overview(plan("sequential 3"), group(), tasks={(0, 0): DONE, (0, 1): FAILED})
        assert overview.task_states(0) == [DONE, FAILED, FAILED]
        assert overview.group_state(0) is PENDING

    def test_a_parallel_group_with_a_failure_goes_on(self) -> None:
        overview = self.overview(plan("parallel 3"), group(), tasks={(0, 1): FAILED})
        assert overview.task_states(0) == [CREATED, FAILED, CREATED]

    def test_a_list_that_has_ended_needs_no_record_of_a_task(self) -> None:
        overview = self.overview(
            plan("sequential 3", "parallel 0", "parallel 3", "sequential 2"),
            group(0, FAILED, stopped_at=1),
            group(1, DONE, failed_before=True),
            group(2, FAILED, failed_before=True),
            group(3, FAILED, failed_before=True, error="policy"),
            failed={2: frozenset({1})},
            state=FAILED,
        )
        assert overview.state is FAILED
        assert [overview.group_state(index) for index in range(4)] == [FAILED, DONE, FAILED, FAILED]
        assert [overview.task_states(index) for index in range(4)] == [
            [DONE, FAILED, FAILED],
            [],
            [DONE, FAILED, DONE],
            [DONE, DONE],
        ]

    def test_a_tasks_record_that_is_read_before_its_groups_counts(self) -> None:
        overview = self.overview(plan("parallel 1"), tasks={(0, 0): PENDING})
        assert overview.state is PENDING
        assert overview.group_state(0) is PENDING
