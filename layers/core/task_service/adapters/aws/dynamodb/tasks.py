"""Tasks in the DynamoDB table.

             claim                       finish | retry
    ──┬────────┬───────────────┬───────────┬──────────┬──►  time
      │ created, attempt = n   │  pending, lease in   │
      │                        │  the future          │
      └─ no executor has it    └─ its holder works    └─ pending, lease in the past: the holder has crashed

Every change is one UpdateItem whose condition states what the writer has seen. If two writers have seen the same, one
of them wins. Two changes look at the record first, because they write what they have seen of it into its history: the
claim after a crash, which the refusal of the first claim shows, and the replay. A cancellation removes the holder from
the record; the holder's next write then finds that it has lost the task.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from task_service.adapters.aws.dynamodb.batches import write_many
from task_service.adapters.aws.dynamodb.table import Table, is_possible
from task_service.adapters.aws.dynamodb.task_items import (
    birth_attributes,
    history_value,
    read_task,
    seen_attributes,
    task_item,
    task_key,
)
from task_service.adapters.aws.dynamodb.updates import (
    HAS_NO_RECORD,
    IS_BEFORE_REPLAY,
    Changes,
    Update,
    any_of,
    is_in_replay,
)
from task_service.adapters.aws.dynamodb.values import (
    Item,
    body_value,
    number_value,
    shard_value,
    text_value,
    time_value,
)
from task_service.adapters.aws.wire import ConditionFailed
from task_service.domain.messages import TaskMessage
from task_service.domain.retry import Decision, Done, Failed, Retry
from task_service.domain.task import Body, State, Task, place_of
from task_service.ports import Claim, Pause

_HOLDER_HAS_CRASHED: Final = "#state = :pending AND #lease < :now"
"""An executor ends its work before its lease ends."""


@dataclass(kw_only=True, eq=False, repr=False)
class DynamoDbTasks:
    """The tasks of one table."""

    table: Table
    pause: Pause = time.sleep

    def add(self, task: Task) -> Task | None:
        """Write a new task; None: it is durable. Returns the task that already has the id, if there is one."""
        item = self.table.put_new(task_item(task))
        return read_task(item) if item else None

    def add_all(self, tasks: Sequence[Task]) -> Sequence[Task]:
        """Write tasks with new ids, 25 with a request; returns those that may not be written."""
        left = write_many(self.table, [task_item(task) for task in tasks], pause=self.pause)
        return [task for task in tasks if task.id in {item["id"]["S"] for item in left}]

    def remove(self, task_id: str) -> None:
        """Delete a task that no client has been told about."""
        self.table.delete(task_key(task_id))

    def get(self, task_id: str) -> Task | None:
        """Read a task, consistently."""
        item = self.table.read(task_key(task_id))
        return read_task(item) if item else None

    def ping(self) -> None:
        """Return if the table answers."""
        self.table.call("GetItem", Key=task_key("-"), ProjectionExpression="pk")

    def claim(
        self, message: TaskMessage, *, now: datetime, lease_until: datetime, holder: str, birth: Task | None = None
    ) -> Claim:
        """Take the lease, if the message's attempt is due or the lease of a crashed holder has ended."""
        # The message's attempt has not started. A message of another attempt or replay is late, or early.
        attempt_is_due = f"#state = :created AND #attempt = :attempt AND {is_in_replay(message.replay)}"
        # A list's task has no record before its first attempt; a later attempt without one comes after the retention.
        is_unborn = HAS_NO_RECORD if birth is not None and message.attempt == birth.attempt else None
        lease: Item = {"state": {"S": State.PENDING}, "lease": time_value(lease_until), "holder": {"S": holder}}
        started = {"attemptStartedAt": time_value(now)}
        claim = self._change(
            message.task_id,
            Update(
                condition=any_of(attempt_is_due, is_unborn),
                values={":attempt": number_value(message.attempt), ":replay": number_value(message.replay)},
                # A task whose first attempt ends well has one start.
                changes={**lease, "notBefore": None, **(started if message.attempt > 1 else {})},
                first={"startedAt": time_value(now), **_birth(birth)},
            ),
        )
        if not claim.won and claim.task is not None and claim.task.lease_has_ended(now):
            claim = self._take_over(claim.task, {**lease, **started}, now)
        # If the answer to a claim gets lost, the AWS client repeats the claim, which then finds its own holder.
        already_ours = claim.task is not None and claim.task.state is State.PENDING and claim.task.holder == holder
        return replace(claim, won=claim.won or already_ours)

    def _take_over(self, task: Task, lease: Item, now: datetime) -> Claim:
        """Take the lease of a task whose holder has crashed, and write that down."""
        # No other executor has taken it over: that would be another attempt to write down.
        is_as_seen = "holder = :seen"
        return self._change(
            task.id,
            Update(
                condition=f"{_HOLDER_HAS_CRASHED} AND {is_as_seen}",
                values={":now": time_value(now), ":seen": {"S": task.holder or ""}},
                changes={**lease, "history": history_value(task.history_after_crash())},
            ),
        )

    def finish(self, task: Task, end: Done | Failed, *, result: Body | None, now: datetime) -> bool:
        """End a claimed task. False: the lease was lost, the task belongs to another holder."""
        changes: Changes = {"state": {"S": State.DONE}, "error": None, "finishedAt": time_value(now)}
        if isinstance(end, Failed):
            changes |= {**_failed(task.id, State.FAILED), "error": {"S": end.error}}
        if result is not None:
            changes["result"] = body_value(result)
        return self._end_attempt(task, changes, end)

    def retry(self, task: Task, decision: Retry, *, not_before: datetime) -> bool:
        """Give a claimed task back for its next attempt. False: the lease was lost."""
        history = task.history_after_retry(
            finished_at=not_before - decision.delay, response_code=decision.response_code, error=decision.error
        )
        changes: Changes = {
            "state": {"S": State.CREATED},
            "attempt": number_value(task.attempt + 1),
            "notBefore": time_value(not_before),
            "error": {"S": decision.error},
            "history": history_value(history),
        }
        return self._end_attempt(task, changes, decision)

    def abandon(self, message: TaskMessage, *, error: str, now: datetime) -> Claim:
        """Fail a task whose current attempt is the message's, if the lease of that attempt has ended."""
        # The message is about the attempt that crashed, not about an earlier one.
        is_current = f"#attempt = :attempt AND {is_in_replay(message.replay)}"
        return self._change(
            message.task_id,
            Update(
                condition=f"{_HOLDER_HAS_CRASHED} AND {is_current}",
                values={
                    ":attempt": number_value(message.attempt),
                    ":replay": number_value(message.replay),
                    ":now": time_value(now),
                },
                changes={
                    **_failed(message.task_id, State.FAILED),
                    "error": {"S": error},
                    "finishedAt": time_value(now),
                    "lease": None,
                    "holder": None,
                },
            ),
        )

    def cancel(
        self, task_id: str, *, reason: str, now: datetime, birth: Task | None = None, by: str | None = None
    ) -> Claim:
        """End a task that has not ended; an executor that works on it loses its lease."""
        if not is_possible(task_key(task_id)):
            return Claim(won=False, task=None)
        # The task waits for an attempt, or an executor works on it.
        has_not_ended = "#state IN (:created, :pending)"
        # A list's task has no record before its first claim, and shall not get one by a claim after this.
        is_unborn = HAS_NO_RECORD if birth is not None else None
        # A task that failed before its list's replay will be replayed, so it has not ended either.
        waits_for_replay = f"#state = :failed AND {IS_BEFORE_REPLAY}" if birth is not None and birth.replay else None
        return self._change(
            task_id,
            Update(
                condition=any_of(has_not_ended, is_unborn, waits_for_replay),
                values={":replay": number_value(birth.replay if birth is not None else 0)},
                changes={
                    **_failed(task_id, State.CANCELLED),
                    "error": {"S": reason},
                    "finishedAt": time_value(now),
                    "lease": None,
                    "holder": None,
                    "cancelledBy": text_value(by),
                },
                first=_birth(birth),
            ),
        )

    def replay(self, task_id: str, *, number: int, by: str | None = None) -> Claim:
        """Give a failed task back for the first attempt of a replay, once for each replay."""
        task = self.get(task_id)
        if task is None or not task.waits_for_replay(number):
            return Claim(won=False, task=task)
        # Only a failed task is replayed.
        has_failed = "#state = :failed"
        # What the history says of its end still holds. A message that arrives twice does not replay a task that has
        # failed again in this replay.
        is_as_seen = is_in_replay(task.replay)
        starts = ("startedAt", "attemptStartedAt", "finishedAt", "notBefore")
        ends = ("responseCode", "redirects", "finalOrigin", "error", "failedShard")
        return self._change(
            task_id,
            Update(
                condition=f"{has_failed} AND {is_as_seen}",
                values={":replay": number_value(task.replay)},
                changes={
                    **dict.fromkeys((*starts, *ends)),
                    "state": {"S": State.CREATED},
                    "attempt": number_value(1),
                    "replay": number_value(number),
                    "history": history_value(task.history),
                    "replayedBy": text_value(by),
                },
            ),
        )

    def _end_attempt(self, task: Task, changes: Changes, decision: Decision) -> bool:
        """Change a task that this holder has claimed. False: it has lost the lease."""
        # No other executor has taken the task over, and no client has cancelled it.
        lease_is_ours = "#state = :pending AND holder = :holder"
        change = self._change(
            task.id,
            Update(
                condition=lease_is_ours,
                values={":holder": {"S": task.holder or ""}},
                changes={**changes, **seen_attributes(decision), "lease": None},
            ),
            returning="NONE",
        )
        # The holder stays in the record until the next claim. If the answer to this write gets lost, the AWS client
        # repeats the write, which then finds its own holder, and the executor goes on as after the first answer.
        found = change.task
        already_written = found is not None and found.state is not State.PENDING and found.holder == task.holder
        return change.won or already_written

    def _change(self, task_id: str, change: Update, *, returning: str = "ALL_NEW") -> Claim:
        try:
            item = self.table.update(task_key(task_id), change, returning=returning)
        except ConditionFailed as refusal:
            return Claim(won=False, task=read_task(refusal.item) if refusal.item else None)
        return Claim(won=True, task=read_task(item) if item else None)


def _failed(task_id: str, state: State) -> Item:
    """The state, and the place in the index of failed and cancelled tasks. A list's task has none: its list has."""
    shard = {"failedShard": shard_value(f"TASK#{state}", task_id)} if place_of(task_id) is None else {}
    return {"state": {"S": state}, **shard}


def _birth(birth: Task | None) -> Item:
    """The first record of a list's task, where there is none."""
    return birth_attributes(birth) if birth is not None else {}
