"""Values for tests, each with one line of what matters in it."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from task_service.adapters.template_cache import TemplateCache
from task_service.domain.context import Context
from task_service.domain.order import Order
from task_service.domain.task import Body, State, Task
from task_service.domain.task_list import TaskList
from task_service.domain.template import StoredTemplate, TaskTemplate
from task_service.domain.trace import Trace
from task_service.testing import FakeClock, InMemoryPlatform, InMemoryTemplates, ScriptedOutside
from task_service.wiring.services import Services
from task_service.wiring.settings import Settings

NOW = datetime(2026, 1, 1, tzinfo=UTC)

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE_ID}-00f067aa0ba902b7-01"
"""The traceparent of a creation."""
TRACESTATE = "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"
CONTEXT = Context(trace=Trace.of(TRACEPARENT, TRACESTATE))
"""Where a task of that creation comes from."""


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


def template_cache(templates: InMemoryTemplates, clock: FakeClock) -> TemplateCache[TaskTemplate]:
    """What remembers task templates for half a minute."""
    keep = timedelta(seconds=30)
    return TemplateCache(templates=templates, parse=TaskTemplate.from_text, clock=clock, keep=keep)


def order(name: str = "greet", payload: str = "1", **changes: Any) -> Order:
    """An order of a task or a list."""
    return Order(name=name, payload=payload, **changes)


def task(task_id: str = "task-1", **changes: Any) -> Task:
    """A task that has just been created."""
    values: dict[str, Any] = {
        "id": task_id,
        "name": "greet",
        "template": template(),
        "request": Body(text='{"n":1}'),
        "cache_namespace": "",
        "cache_scope": "",
        "state": State.CREATED,
        "attempt": 1,
        "created_at": NOW,
        "expires_at": NOW + timedelta(days=30_000),
    }
    return Task(**(values | changes))


def task_list(list_id: str = "list", **changes: Any) -> TaskList:
    """A list that has just been created, of a plan that no test reads."""
    values: dict[str, Any] = {
        "id": list_id,
        "name": "many",
        "plan": Body(text="{}"),
        "request": Body(text="1"),
        "cache_namespace": "",
        "cache_scope": "",
        "state": State.CREATED,
        "created_at": NOW,
        "expires_at": NOW + timedelta(days=30_000),
    }
    return TaskList(**(values | changes))


def services(
    platform: InMemoryPlatform, outside: ScriptedOutside | None = None, *, draw: float = 0.5, **changes: Any
) -> Services:
    """The use cases on fakes, made by the composition root; two retries, and a random number that is always `draw`."""
    settings = Settings.from_environment({"EXECUTOR_MAX_TASK_RETRIES": "2", **changes.pop("settings", {})})
    values: dict[str, Any] = {
        "platform": platform,
        "outside": outside or ScriptedOutside(),
        "draw": lambda: draw,
        "pause": lambda seconds: None,
    }
    return Services(settings=settings, **(values | changes))


def list_document(*groups: str, final_policy: str = "", **members: Any) -> str:
    """The JSON document of a list template with groups as "sequential 3", whose tasks are t0, t1, t2."""
    document: dict[str, Any] = {"name": "many", "groups": []}
    for group in groups:
        execution, size = group.split()
        tasks = [f"t{position}" for position in range(int(size))]
        document["groups"].append({"execution": execution, "tasks": tasks, "finalPolicy": final_policy})
    return json.dumps(document | members)
