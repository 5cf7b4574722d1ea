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
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Template as Text
from typing import Any

from local.aws import Endpoint
from local.cloud import service_environment
from local.deployment import stack_at
from local.environment import PROJECT
from local.errors import LocalCloudError
from local.ports import HOST, Ports
from local.seed import api_in_this_process
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
    stack = stack_at(endpoint)
    outputs = stack.outputs()
    if not outputs:
        raise LocalCloudError(f"the stack {stack.name} is not deployed yet: `make run` is ready when it says so")
    template = Template.read(build / "build" / "template.yaml")
    folder = build / "local"
    (folder / "events").mkdir(parents=True, exist_ok=True)
    reached = {
        "AWS_ENDPOINT_URL": f"http://{host}:{ports.cloud}",
        "AWS_REGION": endpoint.region,
        "AWS_ACCESS_KEY_ID": endpoint.access_key,
        "AWS_SECRET_ACCESS_KEY": endpoint.secret_key,
    }
    parameters = stack.parameters()
    allowed = ", ".join(filter(None, (parameters["EgressAllow"], host)))
    values = {**parameters, "EgressAllow": allowed}
    values |= {name: stack.physical_id(name) for name in referred_to(template) - values.keys()}
    environment = function_environment(template, values, reached)
    (folder / "env.json").write_text(json.dumps(environment, indent=2) + "\n", encoding="utf-8")
    built = {path: f"../build/{path}" for _, path in template.folders()}
    (folder / "template.json").write_text(template.to_json(built), encoding="utf-8")
    samples = _create_tasks(endpoint, outputs, f"http://{host}:{ports.target}")
    samples["TARGET_URL"] = f"http://{HOST}:{ports.target}"
    for path in EVENTS.glob("*.json"):
        event = json.dumps(sample_event(path.stem, samples), indent=2)
        (folder / "events" / path.name).write_text(event + "\n", encoding="utf-8")
    return folder


def function_environment(
    template: Template, values: Mapping[str, str], reached: Mapping[str, str]
) -> dict[str, dict[str, str]]:
    """For each function the variables that refer to one of the values, and `reached`, which it declares from now on."""
    environment = {}
    for name, properties in template.resources(FUNCTION):
        declared = properties["Environment"]["Variables"]
        environment[name] = {variable: values[to] for variable, to in _references(declared)} | dict(reached)
        declared.update(dict.fromkeys(reached, ""))
    return environment


def referred_to(template: Template) -> set[str]:
    """The parameters and resources to which variables of functions refer."""
    functions = template.resources(FUNCTION)
    return {to for _, properties in functions for _, to in _references(properties["Environment"]["Variables"])}


def _references(declared: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for variable, value in declared.items():
        if isinstance(value, dict) and "Ref" in value:
            yield variable, value["Ref"]


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
        done = subprocess.run(
            [sys.executable, "-m", "local.sam_local", outputs["QueueUrl"], target_url],
            cwd=PROJECT,
            env=service_environment(endpoint, outputs) | {"QUEUE_URL": queue_url},
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        sqs.delete_queue(QueueUrl=queue_url)
    if done.returncode:
        raise LocalCloudError(f"the tasks of the sample events cannot be created: {done.stderr}")
    ids: dict[str, str] = json.loads(done.stdout)
    return ids


def main() -> None:
    """Create the tasks, let the local cloud run one of them, and print their ids."""
    task_queue_url, target_url = sys.argv[1:]
    ask = api_in_this_process({})
    template = {"name": TEMPLATE_NAME, "url": f"{target_url}/hello", "method": "POST"}
    ask("PUT", "/v1/taskTemplates/{name}", {"name": TEMPLATE_NAME}, json.dumps(template))

    def create(name: str) -> str:
        created = ask("POST", "/v1/task/{taskName}", {"taskName": name}, '{"greeting": "hello"}')
        task_id: str = json.loads(created)["taskID"]
        return task_id

    samples = {
        "DONE_TASK_ID": create("hello"),
        "CREATED_TASK_ID": create(TEMPLATE_NAME),
        "OTHER_CREATED_TASK_ID": create(TEMPLATE_NAME),
        "STRANDED_TASK_ID": create("hello"),
    }
    message = json.dumps({"id": samples["DONE_TASK_ID"], "attempt": 1})
    sqs = Endpoint.from_environment(os.environ["AWS_ENDPOINT_URL"]).client("sqs")
    sqs.send_message(QueueUrl=task_queue_url, MessageBody=message)
    deadline = time.monotonic() + DONE_WITHIN_SECONDS
    while _status(ask("GET", "/v1/taskStatus/{taskID}", {"taskID": samples["DONE_TASK_ID"]}, None)) != "done":
        if time.monotonic() > deadline:
            raise LocalCloudError(f"the task {samples['DONE_TASK_ID']} is not done; .local/functions.log may say why")
        time.sleep(POLL_SECONDS)
    print(json.dumps(samples))


def _status(answer: str) -> str:
    status: str = json.loads(answer)["status"]
    return status


if __name__ == "__main__":
    try:
        main()
    except LocalCloudError as error:
        sys.exit(str(error))
