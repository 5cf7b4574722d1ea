"""A cloud whose executors can be killed, whose messages can be doubled, and whose services can be broken."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from local.cloud import LocalCloud
from local.stack import Stack
from task_service.adapters.aws.dynamodb.task_items import task_key
from tests.support.api import Api, eventually
from tests.support.aws_proxy import AwsProxy

LEASE_SECONDS: Final = 10
"""The executor's timeout, for which it takes a task."""

VISIBILITY_SECONDS: Final = 12
"""When a message comes again whose executor has crashed."""

MAX_ATTEMPTS: Final = 3
"""Of a task whose template does not say."""

SETTINGS: Final = {"EXECUTOR_MAX_TASK_RETRIES": str(MAX_ATTEMPTS - 1)}


class FaultyCloud:
    """A local cloud, deployed with SETTINGS, in which a crash costs seconds; functions reach it through `proxy`."""

    def __init__(self, cloud: LocalCloud, proxy: AwsProxy) -> None:
        self.api = Api(cloud.api_url)
        self.proxy = proxy
        self._cloud = cloud
        self._queue_url = cloud.outputs["QueueUrl"]
        self._functions = cloud.client("lambda")
        self._queues = cloud.client("sqs")
        stack = Stack(cloud.endpoint)
        self._configure(stack.physical_id("ApiFunction"))
        self._configure(stack.physical_id("FailuresFunction"))
        # As short as no deployment is allowed to have it.
        self._configure(stack.physical_id("ExecutorFunction"), Timeout=LEASE_SECONDS)
        visibility = {"VisibilityTimeout": str(VISIBILITY_SECONDS)}
        self._queues.set_queue_attributes(QueueUrl=self._queue_url, Attributes=visibility)

    def _configure(self, function: str, **members: int) -> None:
        variables = self._functions.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
        variables["AWS_ENDPOINT_URL"] = self.proxy.url
        environment = {"Variables": variables}
        self._functions.update_function_configuration(FunctionName=function, Environment=environment, **members)

    def processes(self, function: str) -> list[int]:
        """The processes that run a function, named as in the template."""
        return self._cloud.worker_pids(function)

    def kill_executors(self) -> None:
        """Kill every process of the executor function."""
        self.kill(self.processes("ExecutorFunction"))

    def kill_executor_on(self, port: int) -> None:
        """Kill the process of the executor function that has this end of a connection."""
        for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
            _, local, *_, inode = line.split()[:10]
            if int(local.rpartition(":")[2], 16) == port:
                self.kill(
                    [pid for pid in self.processes("ExecutorFunction") if f"socket:[{inode}]" in _open_files(pid)]
                )

    def kill(self, processes: list[int]) -> None:
        """Kill processes of functions."""
        for process in processes:
            # It may have ended by itself.
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

    @contextmanager
    def queue_held(self) -> Iterator[None]:
        """Meanwhile no message is delivered; afterwards those that have come make one batch, up to ten."""
        executor = self._cloud.outputs["ExecutorFunctionName"]
        [trigger] = self._functions.list_event_source_mappings(FunctionName=executor)["EventSourceMappings"]
        self._functions.update_event_source_mapping(UUID=trigger["UUID"], Enabled=False)
        try:
            yield
        finally:
            self._functions.update_event_source_mapping(UUID=trigger["UUID"], Enabled=True)

    @contextmanager
    def queue_with(self, **attributes: str) -> Iterator[None]:
        """Meanwhile the task queue has other attributes."""
        before = self._queues.get_queue_attributes(QueueUrl=self._queue_url, AttributeNames=list(attributes))
        self._queues.set_queue_attributes(QueueUrl=self._queue_url, Attributes=attributes)
        try:
            yield
        finally:
            self._queues.set_queue_attributes(QueueUrl=self._queue_url, Attributes=before["Attributes"])

    def redrive_after(self, receives: int) -> dict[str, str]:
        """The attribute of a task queue that gives up that early."""
        answer = self._queues.get_queue_attributes(QueueUrl=self._queue_url, AttributeNames=["RedrivePolicy"])
        policy = json.loads(answer["Attributes"]["RedrivePolicy"])
        return {"RedrivePolicy": json.dumps(policy | {"maxReceiveCount": receives})}

    def send(self, task_id: str, attempt: int = 1) -> None:
        """Put a message into the task queue."""
        self._send(self._queue_url, task_id, attempt)

    def send_dead_letter(self, task_id: str, attempt: int = 1) -> None:
        """Put a message into the dead-letter queue."""
        self._send(self._cloud.outputs["DeadLetterQueueUrl"], task_id, attempt)

    def send_text(self, text: str) -> str:
        """Put any text into the task queue; returns its message's id."""
        return str(self._queues.send_message(QueueUrl=self._queue_url, MessageBody=text)["MessageId"])

    def unreadable(self) -> list[tuple[str, str]]:
        """Take what is in the queue of unreadable messages: each text, and the id that its message had."""
        url = self._cloud.outputs["UnreadableQueueUrl"]
        answer = self._queues.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], WaitTimeSeconds=0
        )
        messages = answer.get("Messages", [])
        for message in messages:
            self._queues.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return [(message["Body"], message["MessageAttributes"]["messageId"]["StringValue"]) for message in messages]

    def log_lines(self, text: str) -> list[str]:
        """The lines of the functions' log that mention a text."""
        lines = self._cloud.functions_log.read_text(encoding="utf-8", errors="replace").splitlines()
        return [line for line in lines if text in line]

    def _send(self, url: str, task_id: str, attempt: int) -> None:
        body = json.dumps({"id": task_id, "attempt": attempt})
        self._queues.send_message(QueueUrl=url, MessageBody=body)

    def wait_until_queues_are_empty(self) -> None:
        """Return when no message is left, visible, delayed or in an executor's hands."""
        kinds = ["", "NotVisible", "Delayed"]
        names: Any = [f"ApproximateNumberOfMessages{kind}" for kind in kinds]

        def are_empty() -> bool:
            urls = (self._queue_url, self._cloud.outputs["DeadLetterQueueUrl"])
            answers = [self._queues.get_queue_attributes(QueueUrl=url, AttributeNames=names) for url in urls]
            return all(answer["Attributes"][name] == "0" for answer in answers for name in names)

        eventually(are_empty, what="the queues are empty")

    def wait_for_step(self, task_id: str, event: str) -> None:
        """Return when a function has logged that it has taken this step for a task."""

        def is_logged() -> bool:
            return any(f'"message":"{event}"' in line for line in self.log_lines(task_id))

        eventually(is_logged, what=f"{event} for {task_id}")

    def state(self, task_id: str) -> str:
        """The state of a task in the table, whatever the API's functions are up to."""
        item = self._cloud.client("dynamodb").get_item(
            TableName=self._cloud.outputs["TableName"], Key=task_key(task_id), ConsistentRead=True
        )["Item"]
        return str(item["state"]["S"])

    def records(self, template: str) -> list[Any]:
        """The records of the tasks of a template in the table."""
        found = self._cloud.client("dynamodb").scan(
            TableName=self._cloud.outputs["TableName"],
            FilterExpression="begins_with(pk, :task) AND contains(template, :name)",
            ExpressionAttributeValues={":task": {"S": "TASK#"}, ":name": {"S": f'"name":"{template}"'}},
        )
        items: list[Any] = found["Items"]
        return items


def _open_files(process: int) -> set[str]:
    """What the descriptors of a process refer to (on Linux only)."""
    files: set[str] = set()
    for descriptor in Path(f"/proc/{process}/fd").iterdir():
        # It may have been closed meanwhile.
        with suppress(FileNotFoundError):
            files.add(str(descriptor.readlink()))
    return files
