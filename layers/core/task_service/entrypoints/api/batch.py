"""The route that creates many tasks."""

import json
from typing import TYPE_CHECKING, Final

from task_service.domain.errors import BadRequest, TaskServiceError
from task_service.domain.order import Order
from task_service.domain.trace import work_in
from task_service.entrypoints.api import later
from task_service.entrypoints.api.create import cache_name, context_of
from task_service.entrypoints.api.problem import problem
from task_service.entrypoints.api.request import Request
from task_service.entrypoints.api.response import UNSURE, Response

if TYPE_CHECKING:
    from task_service.entrypoints.api.services import Services
    from task_service.schemas.batch import OrderText
    from task_service.usecases.create_batch import Item, Result

_KEY: Final = "idempotencyKey"

OF_ITEMS: Final = {
    "Idempotency-Key": _KEY,
    **dict(zip(later.HEADERS, later.MEMBERS, strict=True)),
    "x-cache-namespace": "cacheNamespace",
    "x-cache-scope": "cacheScope",
}
"""Headers of a single creation, and the members that say the same of each task of a batch."""


def create_tasks(request: Request, services: "Services") -> Response:
    """Create many tasks; answer with the id of each, or with its error, in order."""
    from task_service.schemas.batch import read_orders

    refuse_headers(request)
    results: dict[int, Result] = {}
    items: dict[int, Item] = {}
    for index, text in enumerate(read_orders(request.payload())):
        try:
            if isinstance(text, BadRequest):
                raise text
            items[index] = _item(text, request, services)
        except BadRequest as refusal:
            results[index] = refusal
    created = services.batch_creator.create(list(items.values())) if items else []
    # What follows is about all of them.
    work_in(context_of(request).trace)
    results.update(zip(items, created, strict=True))
    return _response([results[index] for index in sorted(results)])


def refuse_headers(request: Request) -> None:
    """Refuse headers that would seem to count for every task. Raises BadRequest."""
    for name, member in OF_ITEMS.items():
        if request.header(name) is not None:
            raise BadRequest(f"{name}: is not a header of a batch; each task has it as its member {member}")


def _item(text: "OrderText", request: Request, services: "Services") -> "Item":
    """The item of a text. Raises BadRequest."""
    from task_service.domain.idempotency import key_hash
    from task_service.usecases.create_batch import Item

    asked, key = text.order, text.order.idempotencyKey
    hashed = None if key is None else key_hash(key, request.caller, field=_KEY)
    order = Order(
        name=asked.name,
        payload=text.body,
        cache_namespace=cache_name("cacheNamespace", asked.cacheNamespace),
        cache_scope=cache_name("cacheScope", asked.cacheScope),
        start=later.parse_start(later.MEMBERS, asked.delaySeconds, asked.notBefore, asked.group, services.clock()),
        context=context_of(request),
    )
    return Item(order, hashed)


def _response(results: "list[Result]") -> Response:
    texts: list[str] = []
    new: list[str] = []
    refused = unsure = 0
    for result in results:
        if isinstance(result, TaskServiceError):
            texts.append(problem(result).body)
            refused += 1
            unsure += result.status >= 500
        else:
            texts.append(json.dumps({"taskID": result.task_id}))
            new += [result.task_id] if result.is_new else []
    response = Response.json(f"[{', '.join(texts)}]", status=207 if refused else 200)
    response = response.adding(log_fields={"tasks": len(results), "refused": refused})
    if unsure:
        # With a key, the client's next request completes them, and finds them written already.
        response = response.adding(log_fields={"unsure": unsure}, audit=UNSURE)
    if not new:
        return response
    return response.adding(log_fields={"ids": new}, counts={"Created": len(new)}, audit="created")
