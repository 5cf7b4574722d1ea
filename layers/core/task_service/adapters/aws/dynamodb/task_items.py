"""Tasks as records of the DynamoDB table."""

from typing import Final

from task_service.adapters.aws.dynamodb.values import (
    Item,
    body_value,
    context_attribute,
    expiry_value,
    listed_values,
    number_value,
    read_body,
    read_context,
    read_expiry,
    read_number,
    read_text,
    read_time,
    time_value,
)
from task_service.domain.history import History, from_text, to_text
from task_service.domain.retry import Decision
from task_service.domain.task import State, Task, place_of
from task_service.domain.template import TaskTemplate


def task_key(task_id: str) -> Item:
    """The primary key of a task's record. The tasks of one list share a partition, in their order."""
    place = place_of(task_id)
    if place is None:
        return {"pk": {"S": f"TASK#{task_id}"}, "sk": {"S": "TASK"}}
    return {"pk": {"S": f"TASKS#{place.list_id}"}, "sk": {"S": f"TASK#{place.group:04}#{place.position:04}"}}


def task_item(task: Task) -> Item:
    """The record of a new task that is in no list."""
    item = {
        **task_key(task.id),
        **listed_values("TASK", task.id, task.created_at),
        "id": {"S": task.id},
        "name": {"S": task.name},
        "state": {"S": task.state},
        "attempt": number_value(task.attempt),
        "cacheNamespace": {"S": task.cache_namespace},
        "cacheScope": {"S": task.cache_scope},
        "createdAt": time_value(task.created_at),
        "expiresAt": expiry_value(task.expires_at),
        **context_attribute(task.context),
    }
    if task.queue_group:
        item["queueGroup"] = {"S": task.queue_group}
    if task.not_before is not None:
        item["notBefore"] = time_value(task.not_before)
    if task.template is not None:
        item["template"] = {"S": task.template.document}
    if task.request is not None:
        item["request"] = body_value(task.request)
    return item


def birth_attributes(birth: Task) -> Item:
    """The attributes that the record of a list's task gets from the first update, beside what that update says."""
    attributes = {
        "id": {"S": birth.id},
        "name": {"S": birth.name},
        "attempt": number_value(birth.attempt),
        "createdAt": time_value(birth.created_at),
        "expiresAt": expiry_value(birth.expires_at),
        **context_attribute(birth.context),
    }
    if birth.queue_group:
        attributes["queueGroup"] = {"S": birth.queue_group}
    return {**attributes, "replay": number_value(birth.replay)} if birth.replay else attributes


SEEN: Final = ("responseCode", "redirects", "finalOrigin")
"""The attributes that tell what the last attempt has seen of its target."""


def seen_attributes(decision: Decision) -> Item:
    """Those of `SEEN` that the record gets after an attempt."""
    seen: Item = {}
    if decision.response_code is not None:
        seen["responseCode"] = number_value(decision.response_code)
    if decision.final_origin is not None:
        seen |= {"redirects": number_value(decision.redirects), "finalOrigin": {"S": decision.final_origin}}
    return seen


def history_value(history: History) -> Item:
    """The attempts that have ended."""
    return {"S": to_text(history)}


def read_task(item: Item) -> Task:
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
        attempt_started_at=read_time(item["attemptStartedAt"]) if "attemptStartedAt" in item else None,
        finished_at=read_time(item["finishedAt"]) if "finishedAt" in item else None,
        response_code=int(item["responseCode"]["N"]) if "responseCode" in item else None,
        redirects=read_number(item, "redirects"),
        final_origin=item["finalOrigin"]["S"] if "finalOrigin" in item else None,
        result=read_body(item["result"]) if "result" in item else None,
        error=item["error"]["S"] if "error" in item else None,
        replay=read_number(item, "replay"),
        context=read_context(item),
        cancelled_by=read_text(item, "cancelledBy"),
        replayed_by=read_text(item, "replayedBy"),
        queue_group=item["queueGroup"]["S"] if "queueGroup" in item else "",
        earlier=from_text(item["history"]["S"]) if "history" in item else (),
    )
