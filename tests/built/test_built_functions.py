"""The built functions run with nothing but what is deployed: their folder, the layer, and Lambda's own runtime."""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from local.cloud import LocalCloud
from local.ports import HOST, claim
from local.sam_local import sample_event
from task_service.entrypoints.docs.openapi import openapi
from tests.built.conftest import Resources, Started, sample
from tests.support.behaviours import answer
from tests.support.runtime import PROJECT, Build, BuiltFunction
from tests.support.targets import HttpTarget

pytestmark = pytest.mark.slow

SAMPLES = {
    "api-create-task": "ApiFunction",
    "api-liveness": "ApiFunction",
    "api-put-template": "ApiFunction",
    "api-task-result": "ApiFunction",
    "docs-document": "DocsFunction",
    "docs-page": "DocsFunction",
    "events": "EventsFunction",
    "executor": "ExecutorFunction",
    "failures": "FailuresFunction",
}
# More than is kept in a record, so that it goes through the bucket.
LARGE = json.dumps({"text": "x" * 100_000})


def test_every_function_and_every_sample_event_is_tested(build: Build) -> None:
    assert set(SAMPLES.values()) == build.functions().keys()
    assert SAMPLES.keys() == {path.stem for path in (PROJECT / "events").glob("*.json")}


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_event_is_answered_well(function: Started, cloud: LocalCloud, resources: Resources, name: str) -> None:
    samples = {}
    with HttpTarget() as target:
        url = target.on("/hello", answer(body=b"{}"))
        for task in ("DONE_TASK_ID", "CREATED_TASK_ID", "OTHER_CREATED_TASK_ID", "STRANDED_TASK_ID"):
            samples[task] = create(function, {"name": "hello", "url": url, "method": "POST"}, "{}")
            message = receive(cloud, resources)
            if task == "DONE_TASK_ID":
                function("ExecutorFunction").invoke(with_body("executor", message))
        event = sample_event(name, {**samples, "TARGET_URL": url.removesuffix("/hello")})

        result = function(SAMPLES[name]).invoke(event)

        assert len(target.calls) == (3 if name == "executor" else 1)
    assert result == {"batchItemFailures": []} if "Records" in event else result["statusCode"] == 200
    if name == "api-task-result":
        assert result["body"] == "{}"
    elif name == "api-create-task":
        assert json.loads(receive(cloud, resources))["id"] == json.loads(result["body"])["taskID"]
    elif name == "failures":
        assert json.loads(receive(cloud, resources)) == {
            "id": samples["STRANDED_TASK_ID"],
            "attempt": 1,
            "queueGroup": "hello",
        }


def test_the_api_says_that_it_is_up_and_ready(function: Started) -> None:
    for path in ("/liveness", "/readiness"):
        result = function("ApiFunction").invoke({**sample("api-liveness"), "resource": path, "path": path})

        assert (result["statusCode"], json.loads(result["body"])["status"]) == (200, "up")


def test_the_document_and_all_of_its_page_are_there(function: Started) -> None:
    document = function("DocsFunction").invoke(sample("docs-document"))
    page = function("DocsFunction").invoke(sample("docs-page"))

    assert json.loads(document["body"]) == json.loads(json.dumps(openapi()))
    names = re.findall(r'(?:src|href)="([\w.-]+)"', page["body"])
    assert {"swagger-ui-bundle.js", "swagger-ui.css", "initializer.js"} <= set(names)
    for name in names:
        result = function("DocsFunction").invoke({**sample("docs-document"), "pathParameters": {"proxy": name}})
        assert (result["statusCode"], len(result["body"]) > 100) == (200, True)


@pytest.mark.parametrize("request_body", ['{"name": "Ada"}', LARGE], ids=["small", "large"])
def test_a_task_is_created_run_and_read(
    function: Started, cloud: LocalCloud, resources: Resources, request_body: str
) -> None:
    with HttpTarget() as target:
        url = target.on("/greet", answer(body=LARGE.encode()))
        task_id = create(function, {"name": "hello", "url": url, "method": "POST"}, request_body)
        message = receive(cloud, resources)

        outcome = function("ExecutorFunction").invoke(with_body("executor", message))

        assert outcome == {"batchItemFailures": []}
        assert [call.body.decode() for call in target.calls] == [request_body]
    assert json.loads(message) == {"id": task_id, "attempt": 1, "queueGroup": "hello"}
    result = read(function, "/v1/taskResult/{taskID}", task_id)
    assert (result["statusCode"], result["body"]) == (200, LARGE)


def test_a_policy_is_compiled_and_evaluated(function: Started, cloud: LocalCloud, resources: Resources) -> None:
    parts = {"repository": "built", "group": "g", "name": "n", "version": "1"}
    resource = "/v1/policies/{repository}/{group}/{name}/{version}"
    event = {**sample("api-put-template"), "resource": resource, "path": "/v1/policies/built/g/n/1"}

    refused, written = (
        function("ApiFunction").invoke({**event, "pathParameters": parts, "body": json.dumps({"source": source})})
        for source in ("package g.n\nx {", "package g.n\nx := input.name")
    )
    task_id = create(function, {"name": "hello", "requestPolicy": "built/g/n/1"}, '{"name": "Ada"}')
    function("ExecutorFunction").invoke(with_body("executor", receive(cloud, resources)))

    assert (refused["statusCode"], "line 2" in refused["body"]) == (400, True)
    assert written["statusCode"] in (200, 201)
    result = read(function, "/v1/taskResult/{taskID}", task_id)
    assert (result["statusCode"], result["body"]) == (200, '{"x":"Ada"}')


def test_an_event_makes_a_task(function: Started, cloud: LocalCloud, resources: Resources) -> None:
    put(function, "/v1/taskTemplates/{name}", {"name": "hello", "requestPolicy": "r/g/n/1"}, name="hello")
    event_task = {"key": "did:web:example.com", "namespace": "Login", "scope": "Administration", "taskName": "hello"}
    put(function, "/v1/eventTasks", event_task)

    outcome = function("EventsFunction").invoke({"Records": sample("events")["Records"][:1]})

    assert outcome == {"batchItemFailures": []}
    task_id = json.loads(receive(cloud, resources))["id"]
    status = json.loads(read(function, "/v1/taskStatus/{taskID}", task_id)["body"])
    assert (status["name"], status["status"]) == ("hello", "created")


def test_a_dead_letter_of_a_task_that_no_executor_has_started_sends_its_message_again(
    function: Started, cloud: LocalCloud, resources: Resources
) -> None:
    create(function, {"name": "hello", "url": f"http://{HOST}:9/", "method": "POST"}, "{}")
    message = receive(cloud, resources)

    outcome = function("FailuresFunction").invoke(with_body("failures", message))

    assert outcome == {"batchItemFailures": []}
    assert json.loads(receive(cloud, resources)) == json.loads(message)


@pytest.mark.parametrize("level", ["INFO", "WARNING"])
def test_a_request_is_one_line_of_the_log_and_carries_its_metrics(
    build: Build, cloud: LocalCloud, resources: Resources, log: Path, level: str
) -> None:
    names = {**resources.by_logical_id(), "LogLevel": level}
    with BuiltFunction(build, "ApiFunction", endpoint_url=cloud.endpoint_url, resources=names, log=log) as api:
        template = json.dumps({"name": "hello", "url": "https://example.com", "method": "POST"})
        events = ({**sample("api-put-template"), "body": template}, sample("api-create-task"))
        statuses = [api.invoke(event)["statusCode"] for event in events]
        said = api.said

    assert statuses in ([200, 200], [201, 200])
    lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    creation = lines[-1]
    assert len(lines) == (2 if level == "INFO" else 1)
    assert creation["Created"] == [1.0]
    if level == "INFO":
        assert [line["status"] for line in lines] == statuses
        assert all(datetime.fromisoformat(line["timestamp"]).tzinfo for line in lines)
    else:
        assert "level" not in creation


def test_an_unreachable_cloud_is_an_error_answer(build: Build, resources: Resources, log: Path) -> None:
    nowhere = f"http://{HOST}:{claim(0, 'nothing')}"
    names = resources.by_logical_id()
    with BuiltFunction(build, "ApiFunction", endpoint_url=nowhere, resources=names, log=log) as api:
        result = api.invoke(sample("api-create-task"))

    problem = json.loads(result["body"])
    assert (result["statusCode"], problem["status"], problem["kind"]) == (503, 503, 7)
    assert nowhere not in result["body"]


def test_a_missing_library_fails_the_start(
    build: Build, resources: Resources, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Build, "layer", build.folder / "NoLayer")
    names = resources.by_logical_id()
    with (
        BuiltFunction(build, "ApiFunction", endpoint_url=f"http://{HOST}:9", resources=names, log=log) as api,
        pytest.raises(AssertionError, match="ImportModuleError"),
    ):
        api.invoke(sample("api-liveness"))


def create(function: Started, template: Mapping[str, Any], request_body: str) -> str:
    """The id of a new task of this template."""
    put = {**sample("api-put-template"), "body": json.dumps(template)}
    assert function("ApiFunction").invoke(put)["statusCode"] in (200, 201)
    created = function("ApiFunction").invoke({**sample("api-create-task"), "body": request_body})
    assert created["statusCode"] == 200
    task_id: str = json.loads(created["body"])["taskID"]
    return task_id


def put(function: Started, resource: str, document: Mapping[str, Any], **parameters: str) -> None:
    """Write a template."""
    event = {
        **sample("api-put-template"),
        "resource": resource,
        "path": resource.format(**parameters),
        "pathParameters": parameters or None,
        "body": json.dumps(document),
    }
    assert function("ApiFunction").invoke(event)["statusCode"] in (200, 201)


def receive(cloud: LocalCloud, resources: Resources) -> str:
    """The body of the only message in the queue, which is taken out."""
    sqs = cloud.client("sqs")
    received = sqs.receive_message(QueueUrl=resources.queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=5)
    (message,) = received["Messages"]
    sqs.delete_message(QueueUrl=resources.queue_url, ReceiptHandle=message["ReceiptHandle"])
    body: str = message["Body"]
    return body


def read(function: Started, resource: str, task_id: str) -> Any:
    """The answer about a task."""
    path = resource.replace("{taskID}", task_id)
    event = {**sample("api-task-result"), "resource": resource, "path": path, "pathParameters": {"taskID": task_id}}
    return function("ApiFunction").invoke(event)


def with_body(name: str, body: str) -> dict[str, Any]:
    """A sample queue event with its first message only, which says something else."""
    event = sample(name)
    return {"Records": [{**event["Records"][0], "body": body}]}
