"""The HTTP API: finds the route of a request, lets it in, calls its handler, and logs and counts what it did."""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit

from task_service.domain.errors import MethodNotAllowed, NotFound
from task_service.domain.identity import bearer_token
from task_service.entrypoints.api import routes
from task_service.entrypoints.api.problem import response_or_problem
from task_service.entrypoints.api.request import GatewayEvent, Request
from task_service.entrypoints.api.response import UNSURE, Response

if TYPE_CHECKING:
    from task_service.entrypoints.api.services import Services

log: Final = logging.getLogger("task")


_HEADERS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
"""Headers of every response that does not say something else: states and results change, and JSON is never a page."""

_VARY: Final = {resource: {"Vary": "Prefer"} for resource in routes.WAITING}
"""Responses that depend on Prefer, whether it is sent or not (RFC 7240, 2)."""


class Api:
    """The HTTP API of the service."""

    def __init__(self, services: "Callable[[], Services]", metrics: Metrics) -> None:
        self._services = services
        self._metrics = metrics

    def resolve(self, event: GatewayEvent, context: Any) -> dict[str, Any]:
        """Answer the event of a gateway; writes one log line, which is the audit line of what the request changes."""
        request = Request.from_event(event, context)
        response = response_or_problem(lambda: self._respond(request))
        for name, count in response.counts.items():
            self._metrics.add_metric(name, MetricUnit.Count, count)
        fields = {"action": "answer", "method": request.method, "route": request.resource, "status": response.status}
        audited = {"audit": response.audit} if response.audit is not None else {}
        _log({**fields, **audited, **response.log_fields})
        return response.with_defaults(_HEADERS | _VARY.get(request.resource, {})).to_gateway(
            is_http_api=request.is_http_api
        )

    def _respond(self, request: Request) -> Response:
        """Call the handler of a request. Raises NotFound, MethodNotAllowed, and what authorizer and handler raise."""
        methods = {} if request.has_stray_slash else routes.methods_of(request.resource)
        if not methods:
            raise NotFound
        services, route = self._services(), methods.get(request.method)
        if request.resource not in routes.OPEN and (authorizer := services.authorizer) is not None:
            # Before a wrong method is refused: strangers do not learn which methods there are.
            caller = authorizer.admit(bearer_token(request.header("Authorization")))
            if route is not None and request.method in routes.ADMIN_METHODS:
                authorizer.check_admin(caller)
            request = replace(request, caller=caller)
        if route is None:
            raise MethodNotAllowed(headers={"Allow": ", ".join(methods)})
        handler = route.load()
        response = response_or_problem(lambda: handler(request, services))
        if response.status >= 500 and request.method != "GET" and response.audit is None:
            # The client's next request may find it changed, or changed and ended, and then change nothing itself.
            response = response.adding(log_fields={"path": request.path}, audit=UNSURE)
        if response.audit is not None and request.caller_name is not None:
            response = response.adding(log_fields={"sub": request.caller_name})
        return response


def _log(fields: dict[str, Any]) -> None:
    """Write a request's line. No level leaves out an audit line that names a caller, though it tells what goes well."""
    if "sub" in fields:
        log.handle(log.makeRecord(log.name, logging.INFO, __file__, 0, "answered", (), None, extra=fields))
    else:
        log.info("answered", extra=fields)
