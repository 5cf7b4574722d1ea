"""Long chains of messages: they end by themselves, where Lambda would end others as loops."""

import io
import json
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from local.cloud import LocalCloud
from local.stack import Stack
from tests.support.api import Api, eventually
from tests.support.behaviours import answer, failing
from tests.support.targets import HttpTarget
from tests.support.task_lists import create_list, ended_states, list_template

AT_ONCE = {"minDelaySeconds": 0, "maxDelaySeconds": 1}
LIMIT = 16
"""So often Lambda invokes a function in a chain of requests."""

LOOP = """
import boto3

sqs = boto3.client("sqs")

def handler(event, context):
    for record in event["Records"]:
        print("round")
        sqs.send_message(QueueUrl=record["body"], MessageBody=record["body"])
"""
"""A function that sends every message back to its queue."""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """A cloud of these tests' own: other tests have long chains too."""
    with LocalCloud(directory=tmp_path_factory.mktemp("loops")) as cloud:
        yield cloud


@pytest.fixture(scope="module")
def api(cloud: LocalCloud) -> Api:
    return Api(cloud.api_url)


@pytest.fixture
def executor(cloud: LocalCloud) -> str:
    """The executor function's name."""
    return cloud.outputs["ExecutorFunctionName"]


def dropped(cloud: LocalCloud, function: str) -> float:
    """How often Lambda did not invoke the function because of a loop."""
    now = datetime.now(UTC)
    statistics = cloud.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/Lambda",
        MetricName="RecursiveInvocationsDropped",
        Dimensions=[{"Name": "FunctionName", "Value": function}],
        StartTime=now - timedelta(hours=1),
        EndTime=now + timedelta(hours=1),
        Period=86_400,
        Statistics=["Sum"],
    )
    return float(sum(point["Sum"] for point in statistics["Datapoints"]))


def test_a_task_has_thirty_attempts(cloud: LocalCloud, api: Api, target: HttpTarget, executor: str) -> None:
    before = dropped(cloud, executor)
    name = api.template(target.on("/mends", failing(29, answer())), retry={"maxAttempts": 30, **AT_ONCE})
    api.done(api.create(name))
    assert len(target.calls) == 30
    assert dropped(cloud, executor) == before


def test_a_list_has_forty_groups(cloud: LocalCloud, api: Api, target: HttpTarget, executor: str) -> None:
    before = dropped(cloud, executor)
    task = api.template(target.on("/ok", answer()))
    list_id = create_list(api, list_template(api, "forty-groups", *[("parallel", [task, task])] * 40))
    assert ended_states(api, list_id) == ["done"] + [["done"] * 3] * 40
    assert dropped(cloud, executor) == before


def test_without_leave_to_loop_the_thirty_attempts_end_after_sixteen(
    cloud: LocalCloud, api: Api, target: HttpTarget, executor: str
) -> None:
    functions, before = cloud.client("lambda"), dropped(cloud, executor)
    name = api.template(target.on("/mends", failing(29, answer())), retry={"maxAttempts": 30, **AT_ONCE})
    functions.put_function_recursion_config(FunctionName=executor, RecursiveLoop="Terminate")
    try:
        task_id = api.create(name)
        eventually(lambda: dropped(cloud, executor) > before, what="Lambda ends the chain")
        assert len(target.calls) == LIMIT
        assert api.status(task_id)["status"] == "pending"
    finally:
        functions.put_function_recursion_config(FunctionName=executor, RecursiveLoop="Allow")


@pytest.fixture
def looping(cloud: LocalCloud) -> Iterator[tuple[str, str, str]]:
    """A function that loops over a queue, its queue, and the queue's dead-letter queue."""
    sqs, functions, name = cloud.client("sqs"), cloud.client("lambda"), f"loop-{uuid4().hex}"
    dead_letters = sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
    redrive = {"deadLetterTargetArn": arn(cloud, dead_letters), "maxReceiveCount": 1}
    queue = sqs.create_queue(
        QueueName=name, Attributes={"VisibilityTimeout": "10", "RedrivePolicy": json.dumps(redrive)}
    )["QueueUrl"]
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("app.py", LOOP)
    functions.create_function(
        FunctionName=name,
        Runtime="python3.13",
        Handler="app.handler",
        Timeout=10,
        Role="arn:aws:iam::000000000000:role/any",
        Code={"ZipFile": archive.getvalue()},
    )
    functions.get_waiter("function_active_v2").wait(FunctionName=name)
    # Its start may take longer than a message waits.
    functions.invoke(FunctionName=name, Payload=b'{"Records": []}')
    mapping = functions.create_event_source_mapping(FunctionName=name, EventSourceArn=arn(cloud, queue), BatchSize=1)
    yield name, queue, dead_letters
    functions.delete_event_source_mapping(UUID=mapping["UUID"])
    functions.delete_function(FunctionName=name)
    sqs.delete_queue(QueueUrl=queue)
    sqs.delete_queue(QueueUrl=dead_letters)


def arn(cloud: LocalCloud, queue: str) -> str:
    attributes = cloud.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    return str(attributes["Attributes"]["QueueArn"])


def rounds(cloud: LocalCloud, function: str) -> int:
    """How often the looping function has run."""
    lines = cloud.functions_log.read_text(encoding="utf-8").splitlines()
    return lines.count(f"{function} round")


def test_the_local_cloud_ends_a_loop_as_aws_does(cloud: LocalCloud, looping: tuple[str, str, str]) -> None:
    function, queue, dead_letters = looping
    cloud.client("sqs").send_message(QueueUrl=queue, MessageBody=queue)

    [letter] = eventually(lambda: received(cloud, dead_letters), what="the message is a dead letter")
    assert letter["Body"] == queue
    assert rounds(cloud, function) == LIMIT
    assert dropped(cloud, function) == 1


def test_the_local_cloud_lets_a_function_loop_that_may(cloud: LocalCloud, looping: tuple[str, str, str]) -> None:
    function, queue, dead_letters = looping
    cloud.client("lambda").put_function_recursion_config(FunctionName=function, RecursiveLoop="Allow")
    cloud.client("sqs").send_message(QueueUrl=queue, MessageBody=queue)

    eventually(lambda: rounds(cloud, function) > 2 * LIMIT, what="the function has looped more often than others may")
    assert received(cloud, dead_letters) == []


def test_a_deployment_allows_what_the_template_allows(cloud: LocalCloud) -> None:
    functions, stack = cloud.client("lambda"), Stack(cloud.endpoint)
    loops = {
        name: functions.get_function_recursion_config(FunctionName=stack.physical_id(name))["RecursiveLoop"]
        for name in ("ApiFunction", "DocsFunction", "EventsFunction", "ExecutorFunction", "FailuresFunction")
    }
    assert [name for name, loop in loops.items() if loop == "Allow"] == ["ExecutorFunction", "FailuresFunction"]


def received(cloud: LocalCloud, queue: str) -> list[dict[str, str]]:
    answer = cloud.client("sqs").receive_message(QueueUrl=queue)
    messages: list[dict[str, str]] = answer.get("Messages", [])
    return messages
