"""The routes: parse, call one use case, map the outcome."""

import json
import logging
from collections.abc import Callable
from typing import Any, Final

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.metrics import MetricUnit

from task_service import VERSION
from task_service.api import problem, request
from task_service.api.status import HTTP_STATUS, task_status
from task_service.bootstrap import Services
from task_service.domain.errors import MethodNotAllowed, NotFound
from task_service.usecases.edit_templates import TemplateEditing

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
        task_templates = TemplateHandlers(lambda: services().task_templates, lambda: self._event)
        list_templates = TemplateHandlers(lambda: services().list_templates, lambda: self._event)
        policies = TemplateHandlers(lambda: services().policies, lambda: self._event)
        # The one list of what this API offers.
        routes: tuple[Route, ...] = (
            ("/v1/task/{taskName}", "POST", self._create_task),
            ("/v1/taskResult/{taskID}", "GET", self._task_result),
            ("/v1/taskStatus/{taskID}", "GET", self._task_status),
            ("/v1/taskList/{taskListName}", "POST", self._create_list),
            ("/v1/taskListStatus/{taskListID}", "GET", self._list_status),
            *_template_routes("/v1/taskTemplates", task_templates),
            *_template_routes("/v1/taskListTemplates", list_templates),
            *_template_routes("/v1/policies", policies, "{repository}/{group}/{name}/{version}"),
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
        response: dict[str, Any] = self._resolver.resolve(request.routed(event), context)
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

    @property
    def _event(self) -> dict[str, Any]:
        return self._resolver.current_event.raw_event

    def _guarded(self, resolver: APIGatewayRestResolver, handle: Handler) -> Response[str]:
        """Before every route's handler, and before a wrong method is told."""
        resource, method = str(self._event.get("resource")), self._event["httpMethod"]
        methods = self._handlers.get(resource)
        if methods and not _is_open(resource) and (guard := self._services().guard) is not None:
            caller = guard.admit(request.header(self._event, "Authorization"))
            if method in methods:
                guard.allow(caller, method)
        return handle(resolver)

    def _no_route(self, _: Exception) -> Response[str]:
        methods = self._handlers.get(str(self._event.get("resource")))
        if not methods:
            return problem.response(NotFound())
        return problem.response(MethodNotAllowed(headers={"Allow": ", ".join(methods)}))

    def _create_task(self, taskName: str) -> Response[str]:
        name = request.decoded(taskName)
        task_id = self._services().creation.create(
            name,
            request.payload(self._event),
            cache_namespace=request.header(self._event, "x-cache-namespace") or "",
            cache_scope=request.header(self._event, "x-cache-scope") or "",
        )
        self._metrics.add_metric("Created", MetricUnit.Count, 1)
        self._about |= {"task_id": task_id, "task": name}
        return _json(200, json.dumps({"taskID": task_id}))

    def _task_result(self, taskID: str) -> Response[str]:
        return _json(200, self._services().reading.result(self._task_id(taskID)))

    def _task_status(self, taskID: str) -> Response[str]:
        task = self._services().reading.task(self._task_id(taskID))
        return _json(HTTP_STATUS[task.shown_state], json.dumps(task_status(task), ensure_ascii=False))

    def _task_id(self, segment: str) -> str:
        self._about["task_id"] = request.decoded(segment)
        return str(self._about["task_id"])

    def _create_list(self, taskListName: str) -> Response[str]:
        name = request.decoded(taskListName)
        list_id = self._services().list_creation.create(
            name,
            request.payload(self._event),
            cache_namespace=request.header(self._event, "x-cache-namespace") or "",
            cache_scope=request.header(self._event, "x-cache-scope") or "",
        )
        self._metrics.add_metric("ListsCreated", MetricUnit.Count, 1)
        self._about |= {"list_id": list_id, "list": name}
        return _json(200, json.dumps({"taskListID": list_id}))

    def _list_status(self, taskListID: str) -> Response[str]:
        self._about["list_id"] = list_id = request.decoded(taskListID)
        reading = self._services().list_reading
        overview = reading.overview(list_id)
        return _json(HTTP_STATUS[overview.state], reading.status_text(overview))

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

    def __init__(self, editing: Callable[[], TemplateEditing], event: Callable[[], dict[str, Any]]) -> None:
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


def _is_open(resource: str) -> bool:
    """Whether a route is for everybody: whoever balances load asks for health, whoever writes clients reads."""
    return resource in ("/liveness", "/readiness") or f"{resource}/".startswith("/swagger-ui/")


_HEALTH: Final = json.dumps({"service": "task", "status": "up", "version": VERSION})


def _json(status: int, body: str, **headers: str) -> Response[str]:
    return Response(status_code=status, content_type="application/json", body=body, headers=dict(headers))
