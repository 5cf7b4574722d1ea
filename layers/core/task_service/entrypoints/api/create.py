"""Creating a task or a list, once where the client sends an idempotency key."""

from typing import TYPE_CHECKING, Any

from task_service.domain.context import Context
from task_service.domain.errors import BadRequest
from task_service.domain.order import Order
from task_service.domain.template import CACHE_NAME_RULE, is_cache_name
from task_service.domain.trace import Trace
from task_service.entrypoints.api.later import start_of
from task_service.entrypoints.api.request import Request

if TYPE_CHECKING:
    from task_service.entrypoints.api.services import Services
    from task_service.usecases.creator import Creator


def create(
    request: Request, services: "Services", creator: "Creator[Any]", resource: str, name: str
) -> tuple[str, bool]:
    """Create what a request asks for; returns its id, and whether it is new.

    It is not new if an earlier request with the same idempotency key created it.
    """
    order = Order(
        name=name,
        payload=request.payload(),
        cache_namespace=_in_header(request, "x-cache-namespace"),
        cache_scope=_in_header(request, "x-cache-scope"),
        start=start_of(request, services),
        context=context_of(request),
    )
    key = request.header("Idempotency-Key")
    if key is None:
        return creator.create(order), True
    from task_service.domain.idempotency import key_hash

    return services.keyed_creator.create(creator, key_hash(key, request.caller), resource, order)


def context_of(request: Request) -> Context:
    """The context of what a request creates."""
    trace = Trace.of(request.header("traceparent"), request.header("tracestate"))
    return Context(trace=trace, created_by=request.caller_name)


def cache_name(field: str, text: str | None) -> str:
    """A namespace or scope of the cache service; None, which is not sent, is empty. Raises BadRequest."""
    if not is_cache_name(text or ""):
        raise BadRequest(f"{field}: {CACHE_NAME_RULE}")
    return text or ""


def _in_header(request: Request, name: str) -> str:
    # Spaces around the value of a header are not part of it (RFC 9110, 5.5).
    return cache_name(name, (request.header(name) or "").strip(" \t"))
