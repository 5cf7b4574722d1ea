"""The tasks in memory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from task_service.domain.errors import Unavailable
from task_service.domain.messages import TaskMessage
from task_service.domain.retry import Done, Failed, Retry
from task_service.domain.task import Body, State, Task
from task_service.ports import Claim, Tasks
from task_service.testing.faults import Faults, faulty


@dataclass
class InMemoryTasks(Tasks):
    """The tasks of a table."""

    records: dict[str, Task] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)
    writes: int = 0

    @faulty
    def add(self, task: Task) -> Task | None:
        present = self.records.get(task.id)
        if present is None:
            self._put(task)
        return present

    def add_all(self, tasks: Sequence[Task]) -> Sequence[Task]:
        left: list[Task] = []
        for start in range(0, len(tasks), 25):
            some = tasks[start : start + 25]
            try:
                self._add_new(some)
            except Unavailable:
                left += some
        return left

    @faulty
    def _add_new(self, tasks: Sequence[Task]) -> None:
        for task in tasks:
            self._put(task)

    @faulty
    def remove(self, task_id: str) -> None:
        self.records.pop(task_id, None)

    @faulty
    def get(self, task_id: str) -> Task | None:
        return self.records.get(task_id)

    @faulty
    def ping(self) -> None:
        """Return where the table answers."""

    @faulty
    def claim(
        self, message: TaskMessage, *, now: datetime, lease_until: datetime, holder: str, birth: Task | None = None
    ) -> Claim:
        task = self.records.get(message.task_id, birth)
        if task is None or (task is birth and message.attempt != birth.attempt):
            return Claim(won=False, task=None)
        due = task.state is State.CREATED and _is_the_attempt(task, message)
        has_crashed = task.lease_has_ended(now)
        if not (due or has_crashed):
            return Claim(won=task.state is State.PENDING and task.holder == holder, task=task)
        claimed = replace(
            task,
            state=State.PENDING,
            lease_until=lease_until,
            holder=holder,
            started_at=task.started_at or now,
            attempt_started_at=now if has_crashed or message.attempt > 1 else None,
            not_before=None,
            earlier=task.history_after_crash() if has_crashed else task.earlier,
        )
        return Claim(won=True, task=self._put(claimed))

    def finish(self, task: Task, end: Done | Failed, *, result: Body | None, now: datetime) -> bool:
        done = isinstance(end, Done)
        return self._change_claimed(
            task,
            lambda record: replace(
                record,
                state=State.DONE if done else State.FAILED,
                finished_at=now,
                lease_until=None,
                result=result if result is not None else record.result,
                error=end.error if isinstance(end, Failed) else None,
                response_code=end.response_code,
                redirects=end.redirects,
                final_origin=end.final_origin,
            ),
        )

    def retry(self, task: Task, decision: Retry, *, not_before: datetime) -> bool:
        return self._change_claimed(
            task,
            lambda record: replace(
                record,
                state=State.CREATED,
                attempt=task.attempt + 1,
                not_before=not_before,
                lease_until=None,
                error=decision.error,
                response_code=decision.response_code,
                redirects=decision.redirects,
                final_origin=decision.final_origin,
                earlier=record.history_after_retry(
                    finished_at=not_before - decision.delay, response_code=decision.response_code, error=decision.error
                ),
            ),
        )

    @faulty
    def abandon(self, message: TaskMessage, *, error: str, now: datetime) -> Claim:
        task = self.records.get(message.task_id)
        if task is None or not task.lease_has_ended(now) or not _is_the_attempt(task, message):
            return Claim(won=False, task=task)
        failed = replace(task, state=State.FAILED, error=error, finished_at=now, lease_until=None, holder=None)
        return Claim(won=True, task=self._put(failed))

    @faulty
    def cancel(
        self, task_id: str, *, reason: str, now: datetime, birth: Task | None = None, by: str | None = None
    ) -> Claim:
        task = self.records.get(task_id, birth)
        waits = task and birth and task.state is State.FAILED and task.replay < birth.replay
        if task is None or (task.state.is_final and not waits):
            return Claim(won=False, task=task)
        cancelled = replace(
            task, state=State.CANCELLED, cancelled_by=by, error=reason, finished_at=now, lease_until=None, holder=None
        )
        return Claim(won=True, task=self._put(cancelled))

    @faulty
    def replay(self, task_id: str, *, number: int, by: str | None = None) -> Claim:
        task = self.records.get(task_id)
        if task is None or not task.waits_for_replay(number):
            return Claim(won=False, task=task)
        again = replace(
            task,
            state=State.CREATED,
            attempt=1,
            replay=number,
            replayed_by=by,
            not_before=None,
            started_at=None,
            attempt_started_at=None,
            finished_at=None,
            earlier=task.history,
            response_code=None,
            redirects=0,
            final_origin=None,
            error=None,
        )
        return Claim(won=True, task=self._put(again))

    @faulty
    def _change_claimed(self, task: Task, changed: Callable[[Task], Task]) -> bool:
        record = self.records.get(task.id)
        if record is None or record.holder != task.holder:
            return False
        if record.state is State.PENDING:
            self._put(changed(record))
        return True

    def _put(self, task: Task) -> Task:
        self.writes += 1
        self.records[task.id] = task
        return task


def _is_the_attempt(task: Task, message: TaskMessage) -> bool:
    return task.attempt == message.attempt and task.replay == message.replay
