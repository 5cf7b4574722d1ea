"""The OpenAPI document, made of the descriptions of the operations and of the models."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import chain
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core.core_schema import NullableSchema, WithDefaultSchema

from task_service import VERSION
from task_service.domain.errors import TaskServiceError
from task_service.entrypoints.api import problem
from task_service.entrypoints.api.routes import ADMIN_METHODS
from task_service.entrypoints.docs import cancel_and_replay, common, event_tasks, health, search, tasks, templates
from task_service.entrypoints.docs.answers import Problem
from task_service.entrypoints.docs.common import GATEWAY, GatewayError
from task_service.entrypoints.docs.operation import Body, Header, Operation, Parameter, Shape, Success

_REFERENCE: Final = "#/components/schemas/{model}"
_SOME_ERROR_ID: Final = "c6af9ac6-7b61-41e6-9a41-93e8deadbee4"
_DESCRIPTION: Final = """\
Runs HTTP tasks and lists of tasks asynchronously. A POST to a named task is answered with an id at once; under this id
the client reads the status and the result of the task. A template says what the tasks of a name do.

Every error is one JSON object with `id` (also in the log), `kind`, `message` and the members of RFC 9457. A wrong
method is answered with 405 and `Allow`. All answers are JSON, whatever `Accept` says."""


def operations() -> Iterator[Operation]:
    """Every operation of the API."""
    parts = (tasks, search, cancel_and_replay, templates, event_tasks, health)
    return chain.from_iterable(part.operations() for part in parts)


def openapi() -> dict[str, Any]:
    """The document of all operations."""
    described = list(operations())
    paths: dict[str, dict[str, Any]] = {}
    for operation in described:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    shared = _share_responses(paths)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Task service",
            "version": VERSION,
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        # Relative to the document, which is one folder below the API.
        "servers": [{"url": "..", "description": "The API that this document comes from."}],
        "tags": [asdict(tag) for tag in dict.fromkeys(operation.tag for operation in described)],
        # No token or one: authentication is off unless a deployment turns it on.
        "security": [{}, {"bearerAuth": []}],
        "paths": paths,
        "components": {
            "schemas": _schemas(described),
            "responses": shared,
            "securitySchemes": {
                "bearerAuth": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "Needed if authentication is turned on; writing needs the admin scope.",
                }
            },
        },
    }


def _operation(operation: Operation) -> dict[str, Any]:
    responses = {str(status): _success(answer) for status, answer in operation.answers.items()}
    responses |= _errors(operation)
    return {
        "operationId": operation.id,
        "tags": [operation.tag.name],
        "summary": operation.summary,
        "responses": dict(sorted(responses.items())),
        **_given(
            description=operation.description or None,
            parameters=[_parameter(parameter) for parameter in operation.parameters] or None,
            requestBody=_body(operation.body) if operation.body else None,
            security=[] if operation.is_open else None,
        ),
    }


def _given(**members: Any) -> dict[str, Any]:
    """The members that there are."""
    return {name: value for name, value in members.items() if value is not None}


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": parameter.where,
        "required": parameter.where == "path",
        "description": parameter.description,
        "schema": dict(parameter.schema),
        **_given(example=parameter.example),
    }


def _body(body: Body) -> dict[str, Any]:
    examples = {name: {"value": value} for name, value in body.examples.items()}
    content = {"application/json": {"schema": _schema(body.shape), "examples": examples}}
    return {"required": True, **_given(description=body.description or None), "content": content}


def _success(answer: Success) -> dict[str, Any]:
    content = None
    if answer.shape is not None:
        content = {answer.content_type: {"schema": _schema(answer.shape), **_given(example=answer.example)}}
    headers = {name: _header(header) for name, header in answer.headers.items()}
    return _given(
        description=answer.description, headers=headers or None, content=content, links=dict(answer.links) or None
    )


def _header(header: Header) -> dict[str, Any]:
    return {"description": header.description, "required": header.is_certain, "schema": dict(header.schema)}


def _schema(shape: Shape) -> dict[str, Any]:
    if isinstance(shape, tuple):
        return {"anyOf": [_schema(one) for one in shape]}
    if isinstance(shape, Mapping):
        return dict(shape)
    return {"$ref": _REFERENCE.format(model=_name(shape.__name__))}


# -- errors


def _errors(operation: Operation) -> dict[str, Any]:
    """Every error response of an operation, including those of API Gateway."""
    refusals = [*(common.NAMED if "{" in operation.path else ()), *operation.errors, *common.EVERYWHERE]
    if not operation.is_open:
        refusals += common.GUARDED
    if operation.method in ADMIN_METHODS:
        refusals += common.WRITING
    gateway = [error for error in GATEWAY if operation.body is not None or not error.has_body]
    statuses = {error.status for error in refusals} | {error.status for error in gateway}
    return {
        str(status): _error(
            [error for error in refusals if error.status == status],
            [error for error in gateway if error.status == status],
            operation.error_headers.get(status, {}),
        )
        for status in sorted(statuses)
    }


def _error(
    refusals: Sequence[TaskServiceError], gateway: Sequence[GatewayError], own_headers: Mapping[str, Header]
) -> dict[str, Any]:
    """The response of one status, with an example of each error and the headers that any of them has."""
    bodies = [problem.members(error, _SOME_ERROR_ID) for error in refusals]
    bodies += [_gateway_body(error) for error in gateway]
    headers: dict[str, Any] = {name: _header(header) for name, header in own_headers.items()}
    if any("WWW-Authenticate" in error.headers for error in refusals):
        headers |= {name: _header(header) for name, header in common.CHALLENGE.items()}
    for error in gateway:
        headers |= {name: _header(header) for name, header in error.headers.items()}
    examples = {_key(body["message"]): {"summary": body["message"], "value": body} for body in bodies}
    messages = dict.fromkeys(body["message"] for body in bodies)
    title = problem.title(bodies[0]["status"])
    return {
        "description": f"{title}: {next(iter(messages))}" if len(messages) == 1 else f"{title}.",
        **_given(headers=headers or None),
        "content": {"application/json": {"schema": _schema(Problem), "examples": examples}},
    }


def _share_responses(paths: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Replace the responses that several operations have by references; returns those responses by name."""
    described = [operation["responses"] for methods in paths.values() for operation in methods.values()]
    used = Counter(_text(response) for responses in described for response in responses.values())
    names: dict[str, str] = {}
    shared: dict[str, Any] = {}
    for responses in described:
        for status, response in responses.items():
            text = _text(response)
            if used[text] < 2 or int(status) < 400:
                continue
            if text not in names:
                title = problem.title(int(status)).replace(" ", "")
                number = sum(name.rstrip("0123456789") == title for name in shared) + 1
                names[text] = title if number == 1 else f"{title}{number}"
                shared[names[text]] = response
            responses[status] = {"$ref": f"#/components/responses/{names[text]}"}
    return shared


def _text(response: Any) -> str:
    return json.dumps(response, sort_keys=True)


def _gateway_body(error: GatewayError) -> dict[str, Any]:
    return {
        "id": _SOME_ERROR_ID,
        "kind": error.kind,
        "message": error.message,
        "type": "about:blank",
        "title": problem.title(error.status),
        "status": error.status,
        "detail": error.detail,
    }


def _key(message: str) -> str:
    """The name of an example: the first words of its message."""
    return "-".join(re.findall(r"[a-z0-9]+", message.lower())[:8])


# -- schemas


class _Schemas(GenerateJsonSchema):
    """Schemas of models, without the titles that repeat names and the defaults that stand for "not set"."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def default_schema(self, schema: WithDefaultSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def nullable_schema(self, schema: NullableSchema) -> JsonSchemaValue:
        inner = self.generate_inner(schema["schema"])
        kind = inner.get("type")
        if isinstance(kind, str) and not {"enum", "const"} & inner.keys():
            return {**inner, "type": [kind, "null"]}
        return super().nullable_schema(schema)

    def normalize_name(self, name: str) -> str:
        return super().normalize_name(_name(name))


def _name(model: str) -> str:
    """The name of a model in the document."""
    return model.removesuffix("Schema")


def _schemas(described: Sequence[Operation]) -> dict[str, Any]:
    shapes: list[Any] = [Problem]
    for operation in described:
        shapes += [operation.body.shape] if operation.body else []
        for answer in operation.answers.values():
            shapes += answer.shape if isinstance(answer.shape, tuple) else [answer.shape]
    models = dict.fromkeys(shape for shape in shapes if isinstance(shape, type) and issubclass(shape, BaseModel))
    _, schemas = models_json_schema(
        [(model, "validation") for model in models], ref_template=_REFERENCE, schema_generator=_Schemas
    )
    definitions: dict[str, Any] = schemas["$defs"]
    for definition in definitions.values():
        definition.pop("title", None)
    return dict(sorted(definitions.items()))
