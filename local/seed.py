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
from local.ports import HOST

EXAMPLES = Path(__file__).with_name("examples")

Ask = Callable[[str, str, str, Mapping[str, str]], str]
"""Asks the API with a method, a path, a body and headers, for the body of the answer. Raises LocalCloudError."""


def seed(ask: Ask, target_url: str, *, keeps: bool) -> None:
    """Write every example, aimed at the demo target; `keeps`: only what is not there yet."""
    headers = {"If-None-Match": "*"} if keeps else {}
    for path, body in _examples(target_url):
        try:
            ask("PUT", path, body, headers)
        except RefusedError as error:
            if not keeps or error.status != HTTPStatus.PRECONDITION_FAILED:
                raise


def _examples(target_url: str) -> Iterator[tuple[str, str]]:
    """The path and the body of each example."""
    for policy in sorted((EXAMPLES / "policies").rglob("*.rego")):
        data = policy.with_suffix(".json")
        body = {
            "source": policy.read_text(encoding="utf-8"),
            "data": json.loads(data.read_text(encoding="utf-8")) if data.exists() else None,
        }
        # The folders and the file are called what the policy is called.
        yield f"/v1/{quote(policy.relative_to(EXAMPLES).as_posix().removesuffix('.rego'))}", json.dumps(body)
    for kind in ("taskTemplates", "taskListTemplates"):
        for template in sorted((EXAMPLES / kind).glob("*.json")):
            text = Template(template.read_text(encoding="utf-8")).substitute(TARGET_URL=target_url)
            yield f"/v1/{kind}/{quote(json.loads(text)['name'], safe='')}", text
    for event_task in sorted((EXAMPLES / "eventTasks").glob("*.json")):
        yield "/v1/eventTasks", event_task.read_text(encoding="utf-8")


def api_at(url: str) -> Ask:
    """The API at this address."""
    return lambda method, path, body, headers: call(method, url + path, body.encode(), headers).decode()


def api_in_this_process() -> Ask:
    """The API in this process, on what the environment names."""
    from aws_lambda_powertools import Metrics

    from host.gateway import Received, event_of, match
    from task_service.entrypoints.api.app import Api
    from task_service.wiring.services import services

    api = Api(services, Metrics(namespace="local", service="task"))

    def ask(method: str, path: str, body: str, headers: Mapping[str, str]) -> str:
        received = Received(method=method, target=path, headers=headers.items(), body=body.encode(), source_ip=HOST)
        answer = api.resolve(event_of(received, match(path), "local"), SimpleNamespace())
        if answer["statusCode"] >= 300:
            raise RefusedError(method, path, answer["statusCode"], answer["body"])
        said: str = answer["body"]
        return said

    return ask


if __name__ == "__main__":
    try:
        seed(api_in_this_process(), sys.argv[1], keeps=sys.argv[2:] == ["--keep"])
    except LocalCloudError as error:
        sys.exit(str(error))
