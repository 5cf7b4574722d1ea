"""The OpenAPI document: held against the routes, the template, and itself."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from openapi_spec_validator import validate

from local.template import API, Template
from task_service.domain.errors import BadRequest, InsufficientScope, TaskServiceError
from task_service.domain.task import State
from task_service.entrypoints.api.routes import ROUTES
from task_service.entrypoints.api.status import task_status
from task_service.entrypoints.docs import openapi as openapi_module
from task_service.entrypoints.docs.answers import TaskStatus
from task_service.entrypoints.docs.common import GATEWAY
from task_service.entrypoints.docs.examples import raised_by
from task_service.entrypoints.docs.openapi import openapi, operations
from tests.support.builders import task
from tests.support.gateway import DOCS

METHODS = {"get", "head", "options", "post", "put", "patch", "delete"}
DOCUMENTATION = {"/swagger-ui/", "/swagger-ui/openapi.json", "/status/"}


@pytest.fixture(scope="module")
def document() -> Any:
    return json.loads(json.dumps(openapi()))


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    """The properties of the API in template.yaml."""
    read = Template.read(Path(__file__).parents[2] / "template.yaml")
    ((_, properties),) = read.resources(API)
    return properties


def described() -> set[tuple[str, str]]:
    return {(operation.method, operation.path) for operation in operations()}


def responses(document: Any) -> Iterator[tuple[str, str, Any]]:
    """Operation, status and response, wherever that is described."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            for status, response in operation["responses"].items():
                yield f"{method} {path}", status, resolved(document, response)


def resolved(document: Any, value: Any) -> Any:
    if "$ref" not in value:
        return value
    found = document
    for part in value["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return found


# ---- against the code and the template


def test_every_route_is_described_and_nothing_else() -> None:
    served = {(route.method, route.resource) for route in ROUTES}

    about_the_api = {operation for operation in described() if operation[1] not in DOCUMENTATION}
    assert about_the_api == served


def test_every_route_is_in_the_template_with_every_method(template: dict[str, Any]) -> None:
    paths = template["DefinitionBody"]["paths"]

    routes = {route.resource for route in ROUTES}
    assert paths.keys() == routes | {path for folder in DOCS for path in (folder, f"{folder}/{{proxy+}}")}
    assert {path: set(methods) for path, methods in paths.items()} == dict.fromkeys(paths, METHODS)


def test_each_route_leads_to_the_function_that_has_it(template: dict[str, Any]) -> None:
    for path, methods in template["DefinitionBody"]["paths"].items():
        function = "DocsFunction" if path.startswith(DOCS) else "ApiFunction"
        for method in methods.values():
            assert f"${{{function}.Arn}}" in json.dumps(method)


def test_the_errors_of_api_gateway_are_those_of_the_template(template: dict[str, Any]) -> None:
    told = set()
    for response in template["GatewayResponses"].values():
        body = json.loads(response["ResponseTemplates"]["application/json"])
        headers = response.get("ResponseParameters", {}).get("Headers", {})
        told.add((response["StatusCode"], body["kind"], body["message"], body["detail"], *headers))

    # Unknown routes are no operation, and nothing of what else makes a bad request is turned on.
    about_operations = {error for error in told if error[0] not in (400, 404)}
    assert about_operations == {
        (error.status, error.kind, error.message, error.detail, *error.headers) for error in GATEWAY
    }


def test_a_task_has_the_members_that_are_described() -> None:
    for state in State:
        assert TaskStatus.model_validate(task_status(task("t", state=state))).id == "t"


# ---- errors are the code's own


def classes_of_errors(error: type[TaskServiceError] = TaskServiceError) -> set[str]:
    return {error.__name__}.union(*(classes_of_errors(kind) for kind in error.__subclasses__()))


def messages_written_in(source: str) -> list[str]:
    """The calls in a module that make an error with a text of the module's own."""
    # Its argument is a scope, not a message.
    errors = classes_of_errors() - {InsufficientScope.__name__}
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return [
        ast.unparse(call)
        for call in calls
        if (call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")) in errors
        and (call.args or {keyword.arg for keyword in call.keywords} - {"headers"})
    ]


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ('BadRequest("no")', 1),
        ('errors.NotFound(f"{noun} not found")', 1),
        ("Conflict(message=REASON)", 1),
        ("NotFound.task()", 0),
        ('Conflict.has_ended("task", State.DONE)', 0),
        ("Unavailable()", 0),
        ('MethodNotAllowed(headers={"Allow": "GET"})', 0),
        ('InsufficientScope("task.admin")', 0),
    ],
)
def test_a_message_of_the_document_s_own_is_noticed(source: str, count: int) -> None:
    assert len(messages_written_in(source)) == count


def test_the_document_has_no_messages_of_its_own() -> None:
    modules = sorted(Path(openapi_module.__file__).parent.glob("*.py"))
    assert len(modules) > 10
    written = {module.name: messages_written_in(module.read_text(encoding="utf-8")) for module in modules}
    assert {name: calls for name, calls in written.items() if calls} == {}


def test_a_check_that_refuses_nothing_is_no_example() -> None:
    def refuse() -> None:
        raise BadRequest("no")

    assert raised_by(refuse).message == "no"
    with pytest.raises(AssertionError, match="refuses nothing"):
        raised_by(lambda: None)


# ---- against itself


def test_it_is_a_valid_openapi_document(document: Any) -> None:
    validate(document)


def test_every_example_is_valid(document: Any) -> None:
    examined = 0
    for schema, example in examples(document):
        whole = {**schema, "components": document["components"]}
        jsonschema_rs.Draft202012Validator(whole, validate_formats=True).validate(example)
        examined += 1
    assert examined > 200


def examples(document: Any) -> Iterator[tuple[Any, Any]]:
    """Every example, with the schema that it is one of."""
    for methods in document["paths"].values():
        for operation in methods.values():
            for parameter in operation.get("parameters", ()):
                if "example" in parameter:
                    yield parameter["schema"], parameter["example"]
            yield from content_examples(operation.get("requestBody", {}))
    for _, _, response in responses(document):
        yield from content_examples(response)


def content_examples(described: Any) -> Iterator[tuple[Any, Any]]:
    for content in described.get("content", {}).values():
        if "example" in content:
            yield content["schema"], content["example"]
        for example in content.get("examples", {}).values():
            yield content["schema"], example["value"]


def test_every_reference_leads_somewhere_and_everything_is_referred_to(document: Any) -> None:
    references = set(re.findall(r'"#/components/(\w+/\w+)"', json.dumps(document)))

    kinds = ("schemas", "responses")
    assert references == {f"{kind}/{name}" for kind in kinds for name in document["components"][kind]}


def test_every_error_tells_its_status_in_its_body(document: Any) -> None:
    for operation, status, response in responses(document):
        if int(status) < 400:
            continue
        bodies = [example["value"] for example in response["content"]["application/json"]["examples"].values()]
        assert {str(body["status"]) for body in bodies} == {status}, operation
        assert response["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Problem"}


def test_every_body_and_every_error_has_an_example(document: Any) -> None:
    for operation, status, response in responses(document):
        for content_type, content in response.get("content", {}).items():
            if content_type == "application/json" and operation != "get /swagger-ui/openapi.json":
                assert "example" in content or content["examples"], (operation, status)


def test_every_part_of_a_path_is_described(document: Any) -> None:
    for path, methods in document["paths"].items():
        for operation in methods.values():
            parts = [parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "path"]
            assert parts == re.findall(r"\{(\w+)\}", path)


def test_what_is_open_needs_no_token(document: Any) -> None:
    for path, methods in document["paths"].items():
        is_open = path in DOCUMENTATION | {"/liveness", "/readiness"}
        for operation in methods.values():
            assert (operation.get("security") == []) == is_open
            assert ("401" in operation["responses"]) == (not is_open)


def test_operations_have_ids_of_their_own() -> None:
    ids = [operation.id for operation in operations()]

    assert len(ids) == len(set(ids))


def test_addresses_are_relative_to_the_document(document: Any) -> None:
    assert [server["url"] for server in document["servers"]] == [".."]
