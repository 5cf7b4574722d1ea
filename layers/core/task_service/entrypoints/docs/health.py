"""Descriptions of the operations that never need a token: health, and the documentation."""

from collections.abc import Iterable
from typing import Final

from task_service import VERSION
from task_service.domain.errors import Unavailable
from task_service.entrypoints.docs import answers
from task_service.entrypoints.docs.common import DOCUMENTATION, HEALTH, answer_header, in_header
from task_service.entrypoints.docs.operation import Operation, Success

_UP: Final = Success(
    description="Yes.", shape=answers.Health, example={"service": "task", "status": "up", "version": VERSION}
)
_HEADERS: Final = {
    "ETag": answer_header("The tag of this version, for `If-None-Match`.", is_certain=True),
    "Cache-Control": answer_header("How long a cache may keep it.", is_certain=True),
}
_IF_NONE_MATCH: Final = in_header(
    "If-None-Match", "The `ETag` of the version that the client has: answered with 304 if it is still the same."
)


def operations() -> Iterable[Operation]:
    """Health, and the documentation."""
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
        description="Checks that table and queue answer.",
        answers={200: _UP},
        errors=(Unavailable.not_ready("table"),),
        is_open=True,
    )
    yield _file("/swagger-ui/", "readSwaggerUi", "Swagger UI", "text/html", {"type": "string"})
    yield _file("/status/", "readStatusPage", "The status page", "text/html", {"type": "string"})
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
            304: Success(description="The version that the client has is still the same.", headers=_HEADERS),
        },
        is_open=True,
    )
