"""Reading a task list's status, and its tasks that have not started."""

import json
from dataclasses import dataclass, replace
from typing import Any

from task_service.domain import json_text
from task_service.domain.errors import NotFound
from task_service.domain.status import about, timestamp
from task_service.domain.task import Place, State, Task
from task_service.domain.task_list import CANCELLED, SKIPPED, Overview, Plan, TaskList
from task_service.domain.trace import work_in
from task_service.ports import Bodies, Clock, TaskLists


@dataclass(kw_only=True, eq=False, repr=False)
class ListReader:
    """Answers questions about task lists."""

    lists: TaskLists
    bodies: Bodies
    clock: Clock

    def task_list(self, list_id: str) -> TaskList:
        """The list's own record, whose state says whether it has ended. Raises NotFound."""
        task_list = self.lists.get(list_id)
        if task_list is None or self._has_expired(task_list):
            raise NotFound.task_list()
        return task_list

    def overview(self, list_id: str) -> Overview:
        """The list with the states of all its groups and tasks. Raises NotFound."""
        records = self.lists.records(list_id)
        if records is None or self._has_expired(records.task_list):
            raise NotFound.task_list()
        work_in(records.task_list.context.trace)
        plan = Plan.from_text(self.bodies.load(records.task_list.plan))
        return Overview(
            task_list=records.task_list,
            plan=plan,
            groups=records.groups,
            tasks=records.tasks,
            failed=records.failed,
        )

    def find(self, list_id: str) -> Overview | None:
        """The same; None: there is no such list."""
        try:
            return self.overview(list_id)
        except NotFound:
            return None

    def status_text(self, overview: Overview) -> str:
        """A list's status as the JSON text that the API answers with.

        Names, times and where it comes from are left out where the status would be too large to be carried with them.
        """
        text = self._status_text(overview, names=True)
        return text if json_text.too_large(text) is None else self._status_text(overview, names=False)

    def _status_text(self, overview: Overview, *, names: bool) -> str:
        task_list = overview.task_list
        described = {
            "name": task_list.name,
            "createdAt": timestamp(task_list.created_at),
            "finishedAt": timestamp(task_list.finished_at),
            **about(task_list),
        }
        status = {"id": task_list.id, "status": overview.state.value, **(described if names else {})}
        if task_list.not_before and overview.state is State.CREATED:
            status["notBefore"] = timestamp(task_list.not_before)
        groups = (self._group_text(overview, index, names=names) for index in range(len(overview.plan.groups)))
        return f'{_text(status)[:-1]}, "groups": [{", ".join(groups)}]}}'

    def _group_text(self, overview: Overview, index: int, *, names: bool) -> str:
        group_id = f"{overview.task_list.id}.{index}"
        group: dict[str, Any] = {"id": group_id, "status": overview.group_state(index).value}
        states = overview.task_states(index)
        if states:
            group["tasks"] = [
                {"id": f"{group_id}.{position}", **({"name": name} if names else {}), "status": state.value}
                for position, (name, state) in enumerate(zip(overview.plan.groups[index].tasks, states, strict=True))
            ]
        written = overview.groups.get(index)
        if written is not None and written.error is not None and group["status"] == State.FAILED:
            group["error"] = written.error
        text = _text(group)
        if written is not None and written.result is not None:
            # A result is a JSON text already.
            text = f'{text[:-1]}, "result": {self.bodies.load(written.result)}}}'
        return text

    def unstarted(self, place: Place) -> Task | None:
        """A list's task that has no record because it has not started; None: there is no such task."""
        overview = self.find(place.list_id)
        if overview is None or not overview.plan.has(place):
            return None
        state = overview.task_states(place.group)[place.position]
        return replace(
            overview.task_list.first_record(overview.plan, place),
            state=state,
            error={State.FAILED: SKIPPED, State.CANCELLED: CANCELLED}.get(state),
            cancelled_by=overview.task_list.cancelled_by if state is State.CANCELLED else None,
        )

    def _has_expired(self, task_list: TaskList) -> bool:
        """Whether its retention has ended; the table may remove expired records days later."""
        return task_list.expires_at <= self.clock()


def _text(members: dict[str, Any]) -> str:
    return json.dumps(members, ensure_ascii=False)
