"""The docs function: answers API Gateway with Swagger UI and the document that it shows."""

from typing import Any

from task_service.entrypoints.docs.site import Site
from task_service.entrypoints.telemetry import observed


def document() -> dict[str, Any]:
    """The API's OpenAPI document."""
    # The models that it is made of take longer to import than the page takes to serve.
    from task_service.entrypoints.docs.openapi import openapi

    return openapi()


site = Site(document)


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer one request."""
    return site.resolve(event, context)
