"""The examples: policies and templates, written through the API as a client writes them.

    python -m local.seed TARGET_URL [--keep]

writes them past the gateway, with the API in this process and the stack's table, or the database: where the API wants a
token, there is none here. What is there already is written again, unless it is to be kept.
"""

import json
import sys
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from string import Template
from types import SimpleNamespace
from typing import Final
from urllib.parse import quote

from local.client import call
from local.errors import LocalCloudError, RefusedError

EXAMPLES = Path(__file__).with_name("examples")

Write = Callable[[str, Mapping[str, str], str], None]
"""PUTs a body to a resource of template.yaml with these parameters in its path. Raises LocalCloudError."""
Ask = Callable[[str, str, Mapping[str, str], str | None], str]
"""Asks a resource of template.yaml with a method, parameters and a body, for the answer's. Raises LocalCloudError."""


def seed(write: Write, target_url: str) -> None:
    """Write every example, aimed at the demo target."""
    for path in sorted((EXAMPLES / "policies").rglob("*.rego")):
        data = path.with_suffix(".json")
        policy = {
            "source": path.read_text(encoding="utf-8"),
            "data": json.loads(data.read_text(encoding="utf-8")) if data.exists() else None,
        }
        # The folders and the file are called what the policy is called.
        named = path.relative_to(EXAMPLES / "policies").as_posix().removesuffix(".rego").split("/")
        parameters = dict(zip(("repository", "group", "name", "version"), named, strict=True))
        write("/v1/policies/{repository}/{group}/{name}/{version}", parameters, json.dumps(policy))
    for kind in ("taskTemplates", "taskListTemplates"):
        for path in sorted((EXAMPLES / kind).glob("*.json")):
            text = Template(path.read_text(encoding="utf-8")).substitute(TARGET_URL=target_url)
            write(f"/v1/{kind}/{{name}}", {"name": json.loads(text)["name"]}, text)
    for path in sorted((EXAMPLES / "eventTasks").glob("*.json")):
        write("/v1/eventTasks", {}, path.read_text(encoding="utf-8"))


def through(api_url: str, *, keeps: bool = False) -> Write:
    """Writes through the API at this address; `keeps`: only what is not there yet."""

    def write(resource: str, parameters: Mapping[str, str], body: str) -> None:
        path = resource.format_map({name: quote(value, safe="") for name, value in parameters.items()})
        call("PUT", api_url + path, body.encode(), _IF_NEW if keeps else {})

    return _keeping(write) if keeps else write


def in_this_process(*, keeps: bool) -> Write:
    """The same with the API in this process, on what the environment names."""
    ask = api_in_this_process(_IF_NEW if keeps else {})

    def write(resource: str, parameters: Mapping[str, str], body: str) -> None:
        ask("PUT", resource, parameters, body)

    return _keeping(write) if keeps else write


_IF_NEW: Final = {"If-None-Match": "*"}


def _keeping(write: Write) -> Write:
    """Writes what is not there, and leaves the rest."""

    def write_new(resource: str, parameters: Mapping[str, str], body: str) -> None:
        try:
            write(resource, parameters, body)
        except RefusedError as error:
            if error.status != HTTPStatus.PRECONDITION_FAILED:
                raise

    return write_new


def api_in_this_process(headers: Mapping[str, str]) -> Ask:
    """The API in this process, on what the environment names."""
    from aws_lambda_powertools import Metrics

    from task_service.entrypoints.api.app import Api
    from task_service.wiring.services import services

    api = Api(services, Metrics(namespace="local", service="task"))

    def ask(method: str, resource: str, parameters: Mapping[str, str], body: str | None) -> str:
        event = {
            "httpMethod": method,
            "resource": resource,
            "path": resource,
            "pathParameters": {name: quote(value, safe="") for name, value in parameters.items()},
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


if __name__ == "__main__":
    try:
        seed(in_this_process(keeps=sys.argv[2:] == ["--keep"]), sys.argv[1])
    except LocalCloudError as error:
        sys.exit(str(error))
