"""The examples: policies and templates, written through the API as a client writes them.

    python -m local.seed TARGET_URL [--keep]

writes them past the gateway, with the API in this process and the stack's table, or the database: where the API wants a
token, there is none here. What is there already is written again, unless it is to be kept.
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from string import Template
from types import SimpleNamespace
from urllib.parse import quote

from local.client import call
from local.errors import LocalCloudError, RefusedError

EXAMPLES = Path(__file__).with_name("examples")

Ask = Callable[[str, str, Mapping[str, str], str | None, Mapping[str, str]], str]
"""Asks a resource of template.yaml with a method, parameters in the path, a body and headers, for the body of the
answer. Raises LocalCloudError."""


def seed(ask: Ask, target_url: str, *, keeps: bool) -> None:
    """Write every example, aimed at the demo target; `keeps`: only what is not there yet."""
    headers = {"If-None-Match": "*"} if keeps else {}
    for resource, parameters, body in _examples(target_url):
        try:
            ask("PUT", resource, parameters, body, headers)
        except RefusedError as error:
            if not keeps or error.status != HTTPStatus.PRECONDITION_FAILED:
                raise


def _examples(target_url: str) -> Iterator[tuple[str, Mapping[str, str], str]]:
    """Each example: the resource, the parameters in its path, and the body."""
    for path in sorted((EXAMPLES / "policies").rglob("*.rego")):
        data = path.with_suffix(".json")
        policy = {
            "source": path.read_text(encoding="utf-8"),
            "data": json.loads(data.read_text(encoding="utf-8")) if data.exists() else None,
        }
        # The folders and the file are called what the policy is called.
        named = path.relative_to(EXAMPLES / "policies").as_posix().removesuffix(".rego").split("/")
        parameters = dict(zip(("repository", "group", "name", "version"), named, strict=True))
        yield "/v1/policies/{repository}/{group}/{name}/{version}", parameters, json.dumps(policy)
    for kind in ("taskTemplates", "taskListTemplates"):
        for path in sorted((EXAMPLES / kind).glob("*.json")):
            text = Template(path.read_text(encoding="utf-8")).substitute(TARGET_URL=target_url)
            yield f"/v1/{kind}/{{name}}", {"name": json.loads(text)["name"]}, text
    for path in sorted((EXAMPLES / "eventTasks").glob("*.json")):
        yield "/v1/eventTasks", {}, path.read_text(encoding="utf-8")


def api_at(url: str) -> Ask:
    """The API at this address."""

    def ask(
        method: str, resource: str, parameters: Mapping[str, str], body: str | None, headers: Mapping[str, str]
    ) -> str:
        path = resource.format_map(_quoted(parameters))
        return call(method, url + path, body.encode() if body is not None else None, headers).decode()

    return ask


def api_in_this_process() -> Ask:
    """The API in this process, on what the environment names."""
    from aws_lambda_powertools import Metrics

    from task_service.entrypoints.api.app import Api
    from task_service.wiring.services import services

    api = Api(services, Metrics(namespace="local", service="task"))

    def ask(
        method: str, resource: str, parameters: Mapping[str, str], body: str | None, headers: Mapping[str, str]
    ) -> str:
        event = {
            "httpMethod": method,
            "resource": resource,
            "path": resource,
            "pathParameters": _quoted(parameters),
            "headers": {},
            "multiValueHeaders": {name: [value] for name, value in headers.items()},
            "requestContext": {},
            "body": body,
        }
        answer = api.resolve(event, SimpleNamespace())
        if answer["statusCode"] >= 300:
            raise RefusedError(method, resource, answer["statusCode"], answer["body"])
        said: str = answer["body"]
        return said

    return ask


def _quoted(parameters: Mapping[str, str]) -> dict[str, str]:
    return {name: quote(value, safe="") for name, value in parameters.items()}


if __name__ == "__main__":
    try:
        seed(api_in_this_process(), sys.argv[1], keeps=sys.argv[2:] == ["--keep"])
    except LocalCloudError as error:
        sys.exit(str(error))
