"""A cache entry in the local cloud with an event task of its own, so that the tasks of its events can be counted."""

import json
from typing import Any
from uuid import uuid4

from local.cloud import LocalCloud
from task_service.domain.cloud_event import CloudEvent
from task_service.domain.event_task import EventTask
from tests.support.events import Published, structured
from tests.support.sessions import direct


class Entry:
    """The entry, its event task and its task template, whose policy does not exist where none is given."""

    def __init__(self, cloud: LocalCloud, policy: str = "examples/demo/none/1.0") -> None:
        self._cloud = cloud
        self.name = f"event-{uuid4().hex}"
        self.document = {"key": f"did:web:{self.name}", "namespace": "Login", "scope": "", "taskName": self.name}
        self.event_task = EventTask.from_text(json.dumps(self.document))
        self._http = direct()
        self._put(f"taskTemplates/{self.name}", {"name": self.name, "requestPolicy": policy})
        self._put("eventTasks", self.document)

    def event(self, event_id: str, **changes: Any) -> Published:
        """An event about the entry."""
        return structured(event_id, data={"key": self.published_key}, **changes)

    @property
    def published_key(self) -> str:
        """What an event about the entry has as data.key."""
        return f"{self.document['key']},{self.document['namespace']}"

    def task_id(self, event_id: str) -> str:
        """The id of the task that an event makes."""
        return self.event_task.task_id(CloudEvent(source="cache", id=event_id, type="", data=None))

    def tasks(self) -> list[dict[str, Any]]:
        """The records of all tasks that there are of it."""
        pages = (
            self._cloud.client("dynamodb")
            .get_paginator("scan")
            .paginate(
                TableName=self._cloud.outputs["TableName"],
                FilterExpression="#name = :name AND sk = :task",
                ExpressionAttributeNames={"#name": "name"},
                ExpressionAttributeValues={":name": {"S": self.name}, ":task": {"S": "TASK"}},
            )
        )
        return [item for page in pages for item in page["Items"]]

    def count(self) -> int:
        """How many tasks there are of it."""
        return len(self.tasks())

    def created_at(self, event_id: str) -> float:
        """When the task of an event was created, in seconds since 1970."""
        key = {"pk": {"S": f"TASK#{self.task_id(event_id)}"}, "sk": {"S": "TASK"}}
        record = self._cloud.client("dynamodb").get_item(TableName=self._cloud.outputs["TableName"], Key=key)["Item"]
        return int(record["createdAt"]["N"]) / 1000

    def status(self, task_id: str) -> dict[str, Any]:
        """What the API says of a task."""
        answer = self._http.get(f"{self._cloud.api_url}/v1/taskStatus/{task_id}")
        status: dict[str, Any] = answer.json()
        return status

    def _put(self, path: str, document: dict[str, str]) -> None:
        answer = self._http.put(f"{self._cloud.api_url}/v1/{path}", json=document)
        assert answer.status_code == 201, answer.text
