"""The routes: parse, call one use case, map the outcome."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.metrics import MetricUnit

from task_service import VERSION
from task_service.domain.errors import MethodNotAllowed, NotFound
from task_service.domain.task import Task
from task_service.entrypoints.api import problem, request
from task_service.entrypoints.api.status import HTTP_STATUS, task_status
from task_service.usecases.edit_templates import TemplateEditor
from task_service.wiring.services import Services

if TYPE_CHECKING:
    # What only some requests need.
    from task_service.domain.identity import Caller
    from task_service.entrypoints.api.cancel_and_replay import ActionHandlers
    from task_service.entrypoints.api.prefer import Wait
    from task_service.usecases.create_once import Creator

log: Final = logging.getLogger("task")

Handler = Callable[..., Response[str]]
Route = tuple[str, str, Handler]
"""Resource of template.yaml, method, handler."""


class Api:
    """The HTTP API of the service."""

    def __init__(self, services: Callable[[], Services], metrics: Metrics) -> None:
        self._services = services
        self._metrics = metrics
        self._resolver = APIGatewayRestResolver()
        self._about: dict[str, Any] = {}
        self._headers: dict[str, str] = {}
        self._caller: Caller | None = None
        task_templates = TemplateHandlers(lambda: services().task_templates, lambda: self._event)
        list_templates = TemplateHandlers(lambda: services().list_templates, lambda: self._event)
        policies = TemplateHandlers(lambda: services().policies, lambda: self._event)
        # The one list of what this API offers.
        routes: tuple[Route, ...] = (
            ("/v1/task/{taskName}", "POST", self._create_task),
            ("/v1/taskResult/{taskID}", "GET", self._task_result),
            ("/v1/taskStatus/{taskID}", "GET", self._task_status),
            ("/v1/tasks", "GET", self._search_tasks),
            ("/v1/taskList/{taskListName}", "POST", self._create_list),
            ("/v1/taskListStatus/{taskListID}", "GET", self._list_status),
            ("/v1/taskLists", "GET", self._search_lists),
            *_template_routes("/v1/taskTemplates", task_templates),
            *_template_routes("/v1/taskListTemplates", list_templates),
            *_template_routes("/v1/policies", policies, "{repository}/{group}/{name}/{version}"),
            ("/v1/tasks/{taskID}/cancel", "POST", lambda **ids: self._acting.cancel_task(**ids)),
            ("/v1/tasks/{taskID}/replay", "POST", lambda **ids: self._acting.replay_task(**ids)),
            ("/v1/taskLists/{taskListID}/cancel", "POST", lambda **ids: self._acting.cancel_list(**ids)),
            ("/v1/taskLists/{taskListID}/replay", "POST", lambda **ids: self._acting.replay_list(**ids)),
            ("/v1/replays", "POST", lambda: self._acting.replay_many()),
            ("/v1/eventTasks", "GET", self._event_tasks),
            ("/v1/eventTasks", "PUT", self._put_event_task),
            ("/v1/eventTasks", "DELETE", self._delete_event_task),
            ("/liveness", "GET", self._liveness),
            ("/readiness", "GET", self._readiness),
        )
        self._handlers: dict[str, dict[str, Handler]] = {}
        for resource, method, handler in routes:
            self._handlers.setdefault(resource, {})[method] = handler
        self._known: set[str] = set()
        self._resolver.use([self._guarded])
        self._resolver.not_found(self._no_route)
        self._resolver.exception_handler(Exception)(problem.response)

    @property
    def operations(self) -> frozenset[tuple[str, str]]:
        """Method and resource of everything that this API offers."""
        return frozenset((method, resource) for resource, methods in self._handlers.items() for method in methods)

    def resolve(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        """API Gateway's response to its event; one log line for each."""
        self._know(event["resource"])
        self._about = {"method": event["httpMethod"], "route": event["resource"]}
        self._headers, self._caller = {}, None
        response: dict[str, Any] = self._resolver.resolve(request.routed(event), context)
        response["multiValueHeaders"] |= {name: [value] for name, value in self._headers.items()}
        log.info("answered", extra={"action": "answer", "status": response["statusCode"], **self._about})
        return response

    def _know(self, resource: str) -> None:
        """Tell the resolver of a resource when it is first asked for: compiling its pattern takes a millisecond or two,
        and a cold start needs one of them."""
        if resource not in self._known:
            self._known.add(resource)
            rule = resource.replace("{", "<").replace("}", ">")
            for method, handler in self._handlers.get(resource, {}).items():
                self._resolver.route(rule, method=method)(handler)

    @cached_property
    def _acting(self) -> ActionHandlers:
        from task_service.entrypoints.api.cancel_and_replay import ActionHandlers

        return ActionHandlers(self._services, self._metrics, lambda: self._event, lambda: self._about)

    @property
    def _event(self) -> dict[str, Any]:
        return self._resolver.current_event.raw_event

    def _guarded(self, resolver: APIGatewayRestResolver, handle: Handler) -> Response[str]:
        """Before every route's handler, and before a wrong method is told."""
        resource, method = str(self._event.get("resource")), self._event["httpMethod"]
        methods = self._handlers.get(resource)
        if methods and resource not in _HEALTH_ROUTES and (guard := self._services().authorizer) is not None:
            self._caller = guard.admit(request.header(self._event, "Authorization"))
            if method in methods:
                guard.allow(self._caller, method)
        return handle(resolver)

    def _no_route(self, _: Exception) -> Response[str]:
        methods = self._handlers.get(str(self._event.get("resource")))
        if not methods:
            return problem.response(NotFound())
        return problem.response(MethodNotAllowed(headers={"Allow": ", ".join(methods)}))

    def _wait(self) -> Wait | None:
        """What this request waits with, None where it does not."""
        prefer = request.joined_header(self._event, "Prefer")
        if prefer is None:
            return None
        from task_service.entrypoints.api.prefer import Wait

        return Wait.asked_for(prefer, lambda: self._services().waiter, self._resolver.lambda_context)

    def _created(self, creation: Creator[Any], resource: str, name: str, *, metric: str) -> str:
        """The id of what this request creates, or has created before where it has an idempotency key."""
        payload = request.payload(self._event)
        cache = {
            "cache_namespace": request.cache_name(self._event, "x-cache-namespace"),
            "cache_scope": request.cache_name(self._event, "x-cache-scope"),
        }
        key = request.joined_header(self._event, "Idempotency-Key")
        if key is None:
            created, is_new = creation.create(name, payload, **cache), True
        else:
            from task_service.domain.idempotency import key_hash

            keyed, used = self._services().keyed_creator, key_hash(key, self._caller)
            created, is_new = keyed.create(creation, used, resource, name, payload, **cache)
        if is_new:
            self._metrics.add_metric(metric, MetricUnit.Count, 1)
        return created

    def _create_task(self, taskName: str) -> Response[str]:
        name, wait = request.decoded(taskName), self._wait()
        task_id = self._created(self._services().task_creator, "task", name, metric="Created")
        self._about |= {"task_id": task_id, "task": name}
        if wait is not None:
            self._headers |= wait.headers | {"x-task-id": task_id}
            if (result := wait.result_of_new(task_id)) is not None:
                self._headers["Content-Location"] = f"../taskResult/{task_id}"
                return _json(200, result)
        return _json(200, json.dumps({"taskID": task_id}))

    def _task_result(self, taskID: str) -> Response[str]:
        return _json(200, self._services().task_reader.result_of(self._task(taskID)))

    def _task_status(self, taskID: str) -> Response[str]:
        task = self._task(taskID)
        return _json(HTTP_STATUS[task.shown_state], json.dumps(task_status(task), ensure_ascii=False))

    def _task(self, segment: str) -> Task:
        """The task that the path names, once it has ended where the request waits for that."""
        self._about["task_id"] = task_id = request.decoded(segment)
        wait = self._wait()
        if wait is None:
            return self._services().task_reader.task(task_id)
        task = wait.task(task_id)
        self._headers |= wait.headers
        return task

    def _create_list(self, taskListName: str) -> Response[str]:
        name, wait = request.decoded(taskListName), self._wait()
        list_id = self._created(self._services().list_creator, "taskList", name, metric="ListsCreated")
        self._about |= {"list_id": list_id, "list": name}
        if wait is not None:
            self._headers |= wait.headers | {"x-task-list-id": list_id}
            if (status := wait.status_of_new(list_id)) is not None:
                self._headers["Content-Location"] = f"../taskListStatus/{list_id}"
                return _json(*status)
        return _json(200, json.dumps({"taskListID": list_id}))

    def _list_status(self, taskListID: str) -> Response[str]:
        self._about["list_id"] = list_id = request.decoded(taskListID)
        wait = self._wait()
        if wait is not None:
            wait.task_list(list_id)
            self._headers |= wait.headers
        reading = self._services().list_reader
        overview = reading.overview(list_id)
        return _json(HTTP_STATUS[overview.state], reading.status_text(overview))

    def _search_tasks(self) -> Response[str]:
        from task_service.entrypoints.api import search

        return _json(200, search.tasks(self._services().searcher, self._event))

    def _search_lists(self) -> Response[str]:
        from task_service.entrypoints.api import search

        return _json(200, search.lists(self._services().searcher, self._event))

    def _event_tasks(self) -> Response[str]:
        limit, cursor = request.query(self._event, "limit"), request.query(self._event, "next")
        return _json(200, self._services().event_tasks.page(limit=limit, cursor=cursor))

    def _put_event_task(self) -> Response[str]:
        stored, is_new = self._services().event_tasks.put(
            request.payload(self._event),
            if_match=request.header(self._event, "If-Match"),
            if_none_match=request.header(self._event, "If-None-Match"),
        )
        return _json(201 if is_new else 200, stored.document, ETag=f'"{stored.etag}"')

    def _delete_event_task(self) -> Response[str]:
        if_match = request.header(self._event, "If-Match")
        self._services().event_tasks.delete(request.payload(self._event), if_match=if_match)
        return Response(status_code=204, body="")

    def _liveness(self) -> Response[str]:
        return _json(200, _HEALTH)

    def _readiness(self) -> Response[str]:
        self._services().readiness.check()
        return _json(200, _HEALTH)


class TemplateHandlers:
    """The routes of one kind of templates."""

    def __init__(self, editing: Callable[[], TemplateEditor], event: Callable[[], dict[str, Any]]) -> None:
        self._editing = editing
        self._event = event

    def page(self) -> Response[str]:
        """GET of all, page by page."""
        limit, cursor = request.query(self._event(), "limit"), request.query(self._event(), "next")
        return _json(200, self._editing().page(limit=limit, cursor=cursor))

    def get(self, **segments: str) -> Response[str]:
        """GET of one."""
        stored = self._editing().get(request.joined(segments))
        return _json(200, stored.document, ETag=f'"{stored.etag}"')

    def put(self, **segments: str) -> Response[str]:
        """PUT of one."""
        event = self._event()
        stored, is_new = self._editing().put(
            request.joined(segments),
            request.payload(event),
            if_match=request.header(event, "If-Match"),
            if_none_match=request.header(event, "If-None-Match"),
        )
        return _json(201 if is_new else 200, stored.document, ETag=f'"{stored.etag}"')

    def delete(self, **segments: str) -> Response[str]:
        """DELETE of one."""
        self._editing().delete(request.joined(segments), if_match=request.header(self._event(), "If-Match"))
        return Response(status_code=204, body="")


def _template_routes(path: str, handlers: TemplateHandlers, name: str = "{name}") -> tuple[Route, ...]:
    return (
        (path, "GET", handlers.page),
        (f"{path}/{name}", "GET", handlers.get),
        (f"{path}/{name}", "PUT", handlers.put),
        (f"{path}/{name}", "DELETE", handlers.delete),
    )


_HEALTH_ROUTES: Final = ("/liveness", "/readiness")
"""For everybody: whoever balances load asks, and has no token."""

_HEALTH: Final = json.dumps({"service": "task", "status": "up", "version": VERSION})


def _json(status: int, body: str, **headers: str) -> Response[str]:
    return Response(status_code=status, content_type="application/json", body=body, headers=dict(headers))
