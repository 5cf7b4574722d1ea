"""Health and the documentation itself, as they are described: what needs no token."""

from collections.abc import Iterable
from typing import Final

from task_service import VERSION
from task_service.domain.errors import Unavailable
from task_service.entrypoints.docs import answers
from task_service.entrypoints.docs.common import DOCUMENTATION, HEALTH
from task_service.entrypoints.docs.operation import Header, Operation, Parameter, Success

_UP: Final = Success(
    description="It is.", shape=answers.Health, example={"service": "task", "status": "up", "version": VERSION}
)
_HEADERS: Final = {
    "ETag": Header(description="The version, for `If-None-Match`.", schema={"type": "string"}),
    "Cache-Control": Header(description="How long it may be kept.", schema={"type": "string"}),
}
_IF_NONE_MATCH: Final = Parameter(
    name="If-None-Match",
    where="header",
    description="The `ETag` of what is there already: answered with 304 where it is still the same.",
    schema={"type": "string"},
)


def operations() -> Iterable[Operation]:
    """Health, and this document."""
    yield Operation(
        method="GET",
        path="/liveness",
        id="readLiveness",
        tag=HEALTH,
        summary="Is the service alive?",
        answers={200: _UP},
        is_open=True,
    )
    yield Operation(
        method="GET",
        path="/readiness",
        id="readReadiness",
        tag=HEALTH,
        summary="Can the service work?",
        description="Asks table and queue.",
        answers={200: _UP},
        errors=(Unavailable("not ready: the table does not answer"),),
        is_open=True,
    )
    yield _file("/swagger-ui/", "readSwaggerUi", "Swagger UI", "text/html", {"type": "string"})
    yield _file("/swagger-ui/openapi.json", "readOpenApi", "The document", "application/json", {"type": "object"})


def _file(path: str, operation_id: str, summary: str, content_type: str, schema: dict[str, str]) -> Operation:
    return Operation(
        method="GET",
        path=path,
        id=operation_id,
        tag=DOCUMENTATION,
        summary=summary,
        parameters=(_IF_NONE_MATCH,),
        answers={
            200: Success(description=summary, shape=schema, headers=_HEADERS, content_type=content_type),
            304: Success(description="What is there already is still the same.", headers=_HEADERS),
        },
        is_open=True,
    )
