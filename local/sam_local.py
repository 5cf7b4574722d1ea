"""What `sam local` needs to run the built functions on the running local cloud.

`make sam-local` writes into .aws-sam/local:

- template.json: the built template, in which the functions declare the variables of env.json. SAM sets no others.
- env.json: for each function its settings, the stack's table, queue and bucket, and the address and the keys of the
  local cloud.
- events/: the events of events/, about tasks that exist.

    python -m local.sam_local TASK_QUEUE_URL CONTAINERS_TARGET_URL

creates these tasks, with the API in this process, and prints their ids. Its environment names a queue that no function
consumes, so that the tasks remain for `sam local`.
"""

import hashlib
import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from string import Template as Text
from typing import Any

from local.aws import Endpoint
from local.cloud import service_environment
from local.environment import PROJECT
from local.errors import LocalCloudError
from local.ports import HOST, Ports
from local.processes import run_module
from local.seed import api_in_this_process
from local.stack import STACK_NAME, Stack
from local.template import FUNCTION, Template

FROM_CONTAINERS = "host.docker.internal"
"""The name by which Docker Desktop's containers reach 127.0.0.1 of this machine."""
SAMPLE_QUEUE = "task-service-samples"
TEMPLATE_NAME = "samLocal"
"""The template of the tasks that the executor in a container runs: the demo target as containers reach it."""
DONE_WITHIN_SECONDS = 30.0
POLL_SECONDS = 0.05
EVENTS = PROJECT / "events"


def prepare_sam_local(endpoint: Endpoint, *, ports: Ports, host: str, build: Path = PROJECT / ".aws-sam") -> Path:
    """Write the files for this cloud, which containers reach at `host`; their folder."""
    if not (build / "build" / "template.yaml").is_file():
        raise LocalCloudError("nothing is built: `make sam-local` builds and then writes")
    stack = Stack(endpoint)
    outputs = stack.outputs()
    if not outputs:
        raise LocalCloudError(f"the stack {STACK_NAME} is not deployed yet: `make run` is ready when it says so")
    template = Template.read(build / "build" / "template.yaml")
    folder = build / "local"
    (folder / "events").mkdir(parents=True, exist_ok=True)
    reached = replace(endpoint, url=f"http://{host}:{ports.cloud}").environment
    environment = _function_environment(template, stack, reached, host)
    (folder / "env.json").write_text(json.dumps(environment, indent=2) + "\n", encoding="utf-8")
    built = {path: f"../build/{path}" for _, path in template.folders()}
    (folder / "template.json").write_text(template.to_json(built), encoding="utf-8")
    samples = _create_tasks(endpoint, outputs, f"http://{host}:{ports.target}")
    samples["TARGET_URL"] = f"http://{HOST}:{ports.target}"
    for path in EVENTS.glob("*.json"):
        event = json.dumps(sample_event(path.stem, samples), indent=2)
        (folder / "events" / path.name).write_text(event + "\n", encoding="utf-8")
    return folder


def _function_environment(
    template: Template, stack: Stack, reached: Mapping[str, str], host: str
) -> dict[str, dict[str, str]]:
    """For each function the variables that refer to something, and `reached`, which it declares from now on."""
    parameters = stack.parameters()
    parameters["EgressAllow"] = ", ".join(filter(None, (parameters["EgressAllow"], host)))
    environment: dict[str, dict[str, str]] = {}
    for name, properties in template.resources(FUNCTION):
        declared = properties["Environment"]["Variables"]
        values = {}
        for variable, value in declared.items():
            if isinstance(value, dict) and "Ref" in value:
                to = value["Ref"]
                values[variable] = parameters[to] if to in parameters else stack.physical_id(to)
        environment[name] = {**values, **reached}
        declared.update(dict.fromkeys(reached, ""))
    return environment


def sample_event(name: str, samples: Mapping[str, str]) -> dict[str, Any]:
    """An event of events/ about these tasks: DONE_TASK_ID, three that are created, and the TARGET_URL of a template."""
    event: dict[str, Any] = json.loads(Text((EVENTS / f"{name}.json").read_text(encoding="utf-8")).substitute(samples))
    for record in event.get("Records", ()):
        record["md5OfBody"] = hashlib.md5(record["body"].encode(), usedforsecurity=False).hexdigest()
    return event


def _create_tasks(endpoint: Endpoint, outputs: Mapping[str, str], target_url: str) -> dict[str, str]:
    sqs = endpoint.client("sqs")
    queue_url = sqs.create_queue(QueueName=SAMPLE_QUEUE)["QueueUrl"]
    try:
        environment = service_environment(endpoint, outputs) | {"QUEUE_URL": queue_url}
        done = run_module("local.sam_local", outputs["QueueUrl"], target_url, environment=environment)
    finally:
        sqs.delete_queue(QueueUrl=queue_url)
    if done.returncode:
        raise LocalCloudError(f"the tasks of the sample events cannot be created: {done.stderr}")
    ids: dict[str, str] = json.loads(done.stdout)
    return ids


def main() -> None:
    """Create the tasks, let the local cloud run one of them, and print their ids."""
    task_queue_url, target_url = sys.argv[1:]
    ask = api_in_this_process()
    template = {"name": TEMPLATE_NAME, "url": f"{target_url}/hello", "method": "POST"}
    ask("PUT", f"/v1/taskTemplates/{TEMPLATE_NAME}", json.dumps(template), {})

    def create(name: str) -> str:
        return str(json.loads(ask("POST", f"/v1/task/{name}", '{"greeting": "hello"}', {}))["taskID"])

    samples = {
        "DONE_TASK_ID": create("hello"),
        "CREATED_TASK_ID": create(TEMPLATE_NAME),
        "OTHER_CREATED_TASK_ID": create(TEMPLATE_NAME),
        "STRANDED_TASK_ID": create("hello"),
    }
    task_id = samples["DONE_TASK_ID"]
    message = json.dumps({"id": task_id, "attempt": 1})
    sqs = Endpoint.from_environment(os.environ["AWS_ENDPOINT_URL"]).client("sqs")
    sqs.send_message(QueueUrl=task_queue_url, MessageBody=message)
    deadline = time.monotonic() + DONE_WITHIN_SECONDS
    while json.loads(ask("GET", f"/v1/taskStatus/{task_id}", "", {}))["status"] != "done":
        if time.monotonic() > deadline:
            raise LocalCloudError(f"the task {task_id} is not done; .local/functions.log may say why")
        time.sleep(POLL_SECONDS)
    print(json.dumps(samples))


if __name__ == "__main__":
    try:
        main()
    except LocalCloudError as error:
        sys.exit(str(error))
