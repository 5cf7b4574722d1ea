"""Tasks as records of the DynamoDB table."""

from task_service.adapters.aws.dynamodb.updates import Changes
from task_service.adapters.aws.dynamodb.values import (
    Item,
    body_value,
    first_attributes,
    listed_attributes,
    number_value,
    read_body,
    read_members,
    read_number,
    read_text,
    read_time,
    text_value,
)
from task_service.domain.history import History, from_text, to_text
from task_service.domain.retry import Decision
from task_service.domain.task import Task, place_of
from task_service.domain.template import TaskTemplate


def task_key(task_id: str) -> Item:
    """The primary key of a task's record. The tasks of one list share a partition, in their order."""
    place = place_of(task_id)
    if place is None:
        return {"pk": {"S": f"TASK#{task_id}"}, "sk": {"S": "TASK"}}
    return {"pk": {"S": f"TASKS#{place.list_id}"}, "sk": {"S": f"TASK#{place.group:04}#{place.position:04}"}}


def task_item(task: Task) -> Item:
    """The record of a new task that is in no list."""
    item = {**task_key(task.id), **listed_attributes("TASK", task), "attempt": number_value(task.attempt)}
    if task.template is not None:
        item["template"] = {"S": task.template.document}
    if task.request is not None:
        item["request"] = body_value(task.request)
    return item


def birth_attributes(birth: Task) -> Item:
    """The attributes that the record of a list's task gets from the first update, beside what that update says."""
    attributes = {**first_attributes(birth), "attempt": number_value(birth.attempt)}
    return {**attributes, "replay": number_value(birth.replay)} if birth.replay else attributes


def seen_attributes(decision: Decision) -> Changes:
    """What an attempt has seen of its target; what an earlier one has seen does not stay."""
    code, origin = decision.response_code, decision.final_origin
    return {
        "responseCode": number_value(code) if code is not None else None,
        "redirects": number_value(decision.redirects) if origin is not None else None,
        "finalOrigin": text_value(origin),
    }


def history_value(history: History) -> Item:
    """The attempts that have ended."""
    return {"S": to_text(history)}


def read_task(item: Item) -> Task:
    """The task of a record."""
    return Task(
        **read_members(item),
        template=TaskTemplate.from_text(item["template"]["S"]) if "template" in item else None,
        request=read_body(item["request"]) if "request" in item else None,
        attempt=int(item["attempt"]["N"]),
        lease_until=read_time(item["lease"]) if "lease" in item else None,
        holder=read_text(item, "holder"),
        started_at=read_time(item["startedAt"]) if "startedAt" in item else None,
        attempt_started_at=read_time(item["attemptStartedAt"]) if "attemptStartedAt" in item else None,
        response_code=int(item["responseCode"]["N"]) if "responseCode" in item else None,
        redirects=read_number(item, "redirects"),
        final_origin=read_text(item, "finalOrigin"),
        result=read_body(item["result"]) if "result" in item else None,
        error=read_text(item, "error"),
        earlier=from_text(item["history"]["S"]) if "history" in item else (),
    )
