"""Tasks in the DynamoDB table.

             claim                       finish | retry
    ──┬────────┬───────────────┬───────────┬──────────┬──►  time
      │ created, attempt = n   │  pending, lease in   │
      │                        │  the future          │
      └─ nobody works on it    └─ its holder does     └─ pending, lease in the past: the holder has crashed

Every change names in its condition what it has seen, so of two that see the same, one wins. Cancelling takes the
holder out of the record: what it would write next then finds that the task is no longer its own.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from task_service.adapters.aws.dynamodb.records import is_possible, put_new, read
from task_service.adapters.aws.dynamodb.values import (
    IS_EARLIER,
    Item,
    body_value,
    expiry_value,
    is_of_replay,
    listed_values,
    read_body,
    read_expiry,
    read_number,
    read_time,
    replay_values,
    shard_value,
    time_value,
)
from task_service.adapters.aws.wire import Client, ConditionFailed
from task_service.domain.messages import TaskMessage
from task_service.domain.retry import Done, Failed, Retry
from task_service.domain.task import Body, State, Task, place_of
from task_service.domain.template import TaskTemplate
from task_service.ports import Claim

_WORDS: Final = {f"#{name}": name for name in ("state", "attempt", "lease", "error", "result", "name")}
"""Attribute names that DynamoDB reserves, or that read better in one style."""


@dataclass(kw_only=True, eq=False, repr=False)
class DynamoDbTasks:
    """The tasks of one table."""

    client: Client
    table: str

    def add(self, task: Task) -> Task | None:
        """Write a task unless there is one of its id, which is returned; None: it is new, and durable."""
        item = put_new(self.client, self.table, to_item(task))
        return from_item(item) if item else None

    def remove(self, task_id: str) -> None:
        """Take a task back that was promised to nobody."""
        self.client.call("DeleteItem", TableName=self.table, Key=key(task_id))

    def get(self, task_id: str) -> Task | None:
        """The task; read consistently."""
        item = read(self.client, self.table, key(task_id))
        return from_item(item) if item else None

    def ping(self) -> None:
        """Return where the table answers."""
        self.client.call("GetItem", TableName=self.table, Key=key("-"), ProjectionExpression="pk")

    def claim(
        self, message: TaskMessage, *, now: datetime, lease_until: datetime, holder: str, birth: Task | None = None
    ) -> Claim:
        """Take the lease, if the message's attempt is due or the lease of a crashed holder has ended."""
        attempt_is_due = f"#state = :created AND {_is_the_attempt_of(message)}"
        holder_has_crashed = "#state = :pending AND #lease < :now"
        take_it = "#state = :pending, #lease = :lease_until, holder = :holder"
        claim = self._change(
            message.task_id,
            f"SET {take_it}, startedAt = if_not_exists(startedAt, :now){_birth_sets(birth)} REMOVE notBefore",
            f"({attempt_is_due}) OR ({holder_has_crashed}){_or_unborn(birth, message)}",
            {
                **_birth_values(birth),
                ":created": {"S": State.CREATED},
                ":pending": {"S": State.PENDING},
                **_attempt_values(message),
                ":now": time_value(now),
                ":lease_until": time_value(lease_until),
                ":holder": {"S": holder},
            },
        )
        # A claim whose answer got lost on the way is repeated by the client, and then meets itself.
        met_itself = claim.task is not None and claim.task.state is State.PENDING and claim.task.holder == holder
        return replace(claim, won=claim.won or met_itself)

    def finish(self, task: Task, end: Done | Failed, *, result: Body | None, now: datetime) -> bool:
        """End a claimed task. False: the lease was lost, the task is no longer ours."""
        done = isinstance(end, Done)
        sets = ["#state = :state", "finishedAt = :now"]
        removes = ["#lease"]
        values: Item = {":state": {"S": State.DONE if done else State.FAILED}, ":now": time_value(now)}
        if isinstance(end, Failed):
            sets += ["#error = :error", *_failed_sets(task.id)]
            values |= {":error": {"S": end.error}, **_failed_values(task.id, State.FAILED)}
        else:
            removes.append("#error")
        if result is not None:
            sets.append("#result = :result")
            values[":result"] = body_value(result)
        return self._change_claimed(task, sets, removes, values, end.response_code)

    def retry(self, task: Task, decision: Retry, *, not_before: datetime) -> bool:
        """Give a claimed task back for its next attempt. False: the lease was lost."""
        sets = ["#state = :state", "#attempt = :next", "notBefore = :not_before", "#error = :error"]
        values: Item = {
            ":state": {"S": State.CREATED},
            ":next": {"N": str(task.attempt + 1)},
            ":not_before": time_value(not_before),
            ":error": {"S": decision.error},
        }
        return self._change_claimed(task, sets, ["#lease"], values, decision.response_code)

    def abandon(self, message: TaskMessage, *, error: str, now: datetime) -> Claim:
        """Fail a task whose current attempt, the message's, was started by somebody whose lease has ended."""
        fail_it = ["#state = :failed", "#error = :error", "finishedAt = :now", *_failed_sets(message.task_id)]
        return self._change(
            message.task_id,
            f"SET {', '.join(fail_it)} REMOVE #lease, holder",
            f"#state = :pending AND #lease < :now AND {_is_the_attempt_of(message)}",
            {
                **_failed_values(message.task_id, State.FAILED),
                ":pending": {"S": State.PENDING},
                ":failed": {"S": State.FAILED},
                ":error": {"S": error},
                **_attempt_values(message),
                ":now": time_value(now),
            },
        )

    def cancel(self, task_id: str, *, reason: str, now: datetime, birth: Task | None = None) -> Claim:
        """End a task that has not ended; whoever works on it loses its lease."""
        if not is_possible(key(task_id)):
            return Claim(won=False, task=None)
        cancel_it = ["#state = :cancelled", "#error = :reason", "finishedAt = :now", *_failed_sets(task_id)]
        return self._change(
            task_id,
            f"SET {', '.join(cancel_it)}{_birth_sets(birth)} REMOVE #lease, holder",
            f"#state IN (:created, :pending){_OR_UNBORN if birth else ''}{_or_waits_for(birth)}",
            {
                **_birth_values(birth),
                **_failed_values(task_id, State.CANCELLED),
                **({":failed": {"S": State.FAILED}, **replay_values(birth.replay)} if birth and birth.replay else {}),
                ":created": {"S": State.CREATED},
                ":pending": {"S": State.PENDING},
                ":cancelled": {"S": State.CANCELLED},
                ":reason": {"S": reason},
                ":now": time_value(now),
            },
        )

    def replay(self, task_id: str, *, number: int) -> Claim:
        """Give a failed task back for the first attempt of that replay, unless that was done before."""
        return self._change(
            task_id,
            "SET #state = :created, #attempt = :first, replay = :replay "
            "REMOVE startedAt, finishedAt, notBefore, responseCode, #error, failedShard",
            f"#state = :failed AND {IS_EARLIER}",
            {
                ":created": {"S": State.CREATED},
                ":failed": {"S": State.FAILED},
                ":first": {"N": "1"},
                **replay_values(number),
            },
        )

    def _change_claimed(
        self, task: Task, sets: list[str], removes: list[str], values: Item, response_code: int | None
    ) -> bool:
        if response_code is not None:
            sets = [*sets, "responseCode = :code"]
            values = {**values, ":code": {"N": str(response_code)}}
        else:
            removes = [*removes, "responseCode"]
        lease_is_ours = "#state = :pending AND holder = :holder"
        change = self._change(
            task.id,
            f"SET {', '.join(sets)} REMOVE {', '.join(removes)}",
            lease_is_ours,
            {**values, ":pending": {"S": State.PENDING}, ":holder": {"S": task.holder or ""}},
            values_after="NONE",
        )
        # The holder stays in the record until the next claim, so a write that is repeated because its answer got
        # lost recognises itself, and what has to follow it does follow.
        seen = change.task
        met_itself = seen is not None and seen.state is not State.PENDING and seen.holder == task.holder
        return change.won or met_itself

    def _change(
        self, task_id: str, update: str, condition: str, values: Item, *, values_after: str = "ALL_NEW"
    ) -> Claim:
        names = {placeholder: name for placeholder, name in _WORDS.items() if placeholder in update + condition}
        try:
            answer = self.client.call(
                "UpdateItem",
                TableName=self.table,
                Key=key(task_id),
                UpdateExpression=update,
                ConditionExpression=condition,
                ExpressionAttributeNames=names,
                ExpressionAttributeValues=values,
                ReturnValues=values_after,
                # The record as it is comes with the refusal, which saves reading it.
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ConditionFailed as refusal:
            return Claim(won=False, task=from_item(refusal.item) if refusal.item else None)
        return Claim(won=True, task=from_item(answer["Attributes"]) if "Attributes" in answer else None)


def key(task_id: str) -> Item:
    """The primary key of a task's record; those of a list stand together."""
    place = place_of(task_id)
    if place is None:
        return {"pk": {"S": f"TASK#{task_id}"}, "sk": {"S": "TASK"}}
    return {"pk": {"S": f"TASKS#{place.list_id}"}, "sk": {"S": f"TASK#{place.group:04}#{place.position:04}"}}


def to_item(task: Task) -> Item:
    """The record of a task in no list that has just been created."""
    item = {
        **key(task.id),
        **listed_values("TASK", task.id, task.created_at),
        "id": {"S": task.id},
        "name": {"S": task.name},
        "state": {"S": task.state},
        "attempt": {"N": str(task.attempt)},
        "cacheNamespace": {"S": task.cache_namespace},
        "cacheScope": {"S": task.cache_scope},
        "createdAt": time_value(task.created_at),
        "expiresAt": expiry_value(task.expires_at),
    }
    if task.template is not None:
        item["template"] = {"S": task.template.document}
    if task.request is not None:
        item["request"] = body_value(task.request)
    return item


def from_item(item: Item) -> Task:
    """The task of a record."""
    return Task(
        id=item["id"]["S"],
        name=item["name"]["S"],
        template=TaskTemplate.from_text(item["template"]["S"]) if "template" in item else None,
        request=read_body(item["request"]) if "request" in item else None,
        cache_namespace=item["cacheNamespace"]["S"] if "cacheNamespace" in item else "",
        cache_scope=item["cacheScope"]["S"] if "cacheScope" in item else "",
        state=State(item["state"]["S"]),
        attempt=int(item["attempt"]["N"]),
        created_at=read_time(item["createdAt"]),
        expires_at=read_expiry(item["expiresAt"]),
        not_before=read_time(item["notBefore"]) if "notBefore" in item else None,
        lease_until=read_time(item["lease"]) if "lease" in item else None,
        holder=item["holder"]["S"] if "holder" in item else None,
        started_at=read_time(item["startedAt"]) if "startedAt" in item else None,
        finished_at=read_time(item["finishedAt"]) if "finishedAt" in item else None,
        response_code=int(item["responseCode"]["N"]) if "responseCode" in item else None,
        result=read_body(item["result"]) if "result" in item else None,
        error=item["error"]["S"] if "error" in item else None,
        replay=read_number(item, "replay"),
    )


def _is_the_attempt_of(message: TaskMessage) -> str:
    """The condition that the current attempt is the message's."""
    return f"#attempt = :attempt AND {is_of_replay(message.replay)}"


def _attempt_values(message: TaskMessage) -> Item:
    return {":attempt": {"N": str(message.attempt)}, **replay_values(message.replay)}


# -- the index of what has failed or was cancelled; tasks of a list are in none, their list is


def _failed_sets(task_id: str) -> list[str]:
    return ["failedShard = :shard"] if place_of(task_id) is None else []


def _failed_values(task_id: str, state: State) -> Item:
    return {":shard": shard_value(f"TASK#{state}", task_id)} if place_of(task_id) is None else {}


# -- tasks of a list, whose records are written when they are first claimed

_OR_UNBORN: Final = " OR attribute_not_exists(pk)"


def _birth_sets(birth: Task | None) -> str:
    if birth is None:
        return ""
    names = ["id", "#name", "#attempt", "createdAt", "expiresAt", *(["replay"] if birth.replay else [])]
    return "".join(f", {name} = if_not_exists({name}, :birth_{name.lstrip('#')})" for name in names)


def _birth_values(birth: Task | None) -> Item:
    if birth is None:
        return {}
    replay: Item = {":birth_replay": {"N": str(birth.replay)}} if birth.replay else {}
    return {
        **replay,
        ":birth_id": {"S": birth.id},
        ":birth_name": {"S": birth.name},
        ":birth_attempt": {"N": str(birth.attempt)},
        ":birth_createdAt": time_value(birth.created_at),
        ":birth_expiresAt": expiry_value(birth.expires_at),
    }


def _or_unborn(birth: Task | None, message: TaskMessage) -> str:
    """Only a first attempt starts without a record."""
    return _OR_UNBORN if birth is not None and message.attempt == birth.attempt else ""


def _or_waits_for(birth: Task | None) -> str:
    """In a replay, a task that failed before it has not ended."""
    if birth is None or not birth.replay:
        return ""
    return f" OR (#state = :failed AND {IS_EARLIER})"
