"""The routes of health: load balancers and people ask them."""

import json
from typing import TYPE_CHECKING, Final

from task_service import VERSION
from task_service.entrypoints.api.request import Request
from task_service.entrypoints.api.response import Response

if TYPE_CHECKING:
    from task_service.entrypoints.api.services import Services

_UP: Final = json.dumps({"service": "task", "status": "up", "version": VERSION})


def liveness(request: Request, services: "Services") -> Response:
    """Answer that the function runs."""
    return Response.json(_UP)


def readiness(request: Request, services: "Services") -> Response:
    """Answer whether the service can work now. Raises Unavailable."""
    services.readiness.check()
    return Response.json(_UP)
