"""Values for tests, each with one line of what matters in it."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from task_service.domain.task import Body, State, Task
from task_service.domain.template import StoredTemplate, TaskTemplate

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def template(name: str = "greet", **members: Any) -> TaskTemplate:
    """A template that POSTs to a target, with other members as given, named as in the API."""
    return TaskTemplate.from_text(document(name, **members))


def document(name: str = "greet", **members: Any) -> str:
    """The JSON document of that template."""
    default: dict[str, Any] = {"name": name, "url": "http://127.0.0.1:9/greet", "method": "POST"}
    return json.dumps(default | members)


def stored_template(name: str = "greet", *, etag: str = "tag-1", **members: Any) -> StoredTemplate:
    """The same template, as it is stored."""
    return StoredTemplate(name=name, document=document(name, **members), etag=etag)


def task(task_id: str = "task-1", **changes: Any) -> Task:
    """A task that has just been created."""
    values: dict[str, Any] = {
        "id": task_id,
        "template": template(),
        "request": Body(text='{"n":1}'),
        "cache_namespace": "",
        "cache_scope": "",
        "state": State.CREATED,
        "attempt": 1,
        "created_at": NOW,
        "expires_at": NOW + timedelta(days=30),
    }
    return Task(**(values | changes))
