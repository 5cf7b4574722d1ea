"""The routes: everything that the API offers, in one list.

A handler is named, not imported: a function imports the module of a handler when the first request for it comes, so
that a cold start pays only for what it needs.
"""

from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from task_service.entrypoints.api.request import Request
    from task_service.entrypoints.api.response import Response
    from task_service.entrypoints.api.services import Services

    Handler = Callable[[Request, Services], Response]


class Route(NamedTuple):
    """A method of a resource, and the function that answers it."""

    resource: str
    """As in template.yaml."""
    method: str
    handler: str
    """Module of this package and function."""

    def load(self) -> "Handler":
        """The function that answers requests of this route."""
        return _load(self.handler)


ROUTES: Final = (
    Route("/v1/task/{taskName}", "POST", "tasks:create_task"),
    Route("/v1/taskResult/{taskID}", "GET", "tasks:read_task_result"),
    Route("/v1/taskStatus/{taskID}", "GET", "tasks:read_task_status"),
    Route("/v1/tasks", "GET", "search:search_tasks"),
    Route("/v1/tasks", "POST", "batch:create_tasks"),
    Route("/v1/taskList/{taskListName}", "POST", "task_lists:create_task_list"),
    Route("/v1/taskListStatus/{taskListID}", "GET", "task_lists:read_task_list_status"),
    Route("/v1/taskLists", "GET", "search:search_task_lists"),
    Route("/v1/taskTemplates", "GET", "templates:list_templates"),
    Route("/v1/taskTemplates/{name}", "GET", "templates:read_template"),
    Route("/v1/taskTemplates/{name}", "PUT", "templates:write_template"),
    Route("/v1/taskTemplates/{name}", "DELETE", "templates:delete_template"),
    Route("/v1/taskListTemplates", "GET", "templates:list_templates"),
    Route("/v1/taskListTemplates/{name}", "GET", "templates:read_template"),
    Route("/v1/taskListTemplates/{name}", "PUT", "templates:write_template"),
    Route("/v1/taskListTemplates/{name}", "DELETE", "templates:delete_template"),
    Route("/v1/policies", "GET", "templates:list_templates"),
    Route("/v1/policies/{repository}/{group}/{name}/{version}", "GET", "templates:read_template"),
    Route("/v1/policies/{repository}/{group}/{name}/{version}", "PUT", "templates:write_template"),
    Route("/v1/policies/{repository}/{group}/{name}/{version}", "DELETE", "templates:delete_template"),
    Route("/v1/tasks/{taskID}/cancel", "POST", "cancel_and_replay:cancel_task"),
    Route("/v1/tasks/{taskID}/replay", "POST", "cancel_and_replay:replay_task"),
    Route("/v1/taskLists/{taskListID}/cancel", "POST", "cancel_and_replay:cancel_task_list"),
    Route("/v1/taskLists/{taskListID}/replay", "POST", "cancel_and_replay:replay_task_list"),
    Route("/v1/replays", "POST", "cancel_and_replay:replay_many"),
    Route("/v1/eventTasks", "GET", "templates:list_event_tasks"),
    Route("/v1/eventTasks", "PUT", "templates:write_event_task"),
    Route("/v1/eventTasks", "DELETE", "templates:delete_event_task"),
    Route("/liveness", "GET", "health:liveness"),
    Route("/readiness", "GET", "health:readiness"),
)

OPEN: Final = frozenset({"/liveness", "/readiness"})
"""Resources that need no token: load balancers ask for them, and have none."""

WAITING: Final = (
    "/v1/task/{taskName}",
    "/v1/taskResult/{taskID}",
    "/v1/taskStatus/{taskID}",
    "/v1/taskList/{taskListName}",
    "/v1/taskListStatus/{taskListID}",
)
"""Resources whose requests can wait for the end of a task or a list (`Prefer: wait`)."""

ADMIN_METHODS: Final = frozenset({"PUT", "DELETE"})
"""Methods that change how the service works, as opposed to POST, which gives it work."""


def methods_of(resource: str) -> Mapping[str, Route]:
    """The routes of a resource by their methods; empty if there is no such resource."""
    return _BY_RESOURCE.get(resource, {})


def match(path: str) -> tuple[str, Mapping[str, str]]:
    """The resource that a decoded path names, and the parts of the path that the resource names; "" if there is none.

    The last part takes the rest of the path with its slashes: a decoded path does not say which of them a client has
    sent as %2F, in the name of a template.
    """
    for resource in _BY_RESOURCE:
        names = resource.split("/")
        parts = path.split("/", len(names) - 1)
        if len(parts) == len(names) and all(
            part if name.startswith("{") else part == name for name, part in zip(names, parts, strict=True)
        ):
            return resource, {name[1:-1]: part for name, part in zip(names, parts, strict=True) if name.startswith("{")}
    return "", {}


_BY_RESOURCE: Final[dict[str, dict[str, Route]]] = {}
for _route in ROUTES:
    _BY_RESOURCE.setdefault(_route.resource, {})[_route.method] = _route


@cache
def _load(handler: str) -> "Handler":
    module, function = handler.split(":")
    loaded: Handler = getattr(import_module(f"{__package__}.{module}"), function)
    return loaded
