"""Starts the functions before the first request, which also shows whether they start."""

import json
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from local.aws import Endpoint
from local.client import call
from local.errors import LocalCloudError
from local.stack import Stack
from local.template import Template

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

# A path of each function that the API has.
ANSWERED = ("/liveness", "/swagger-ui/")


def warm_up(endpoint: Endpoint, stack: Stack, template: Template, gateway_url: str) -> None:
    """Call every function once: those that consume a queue with no message, those of the API over HTTP."""
    functions: LambdaClient = endpoint.client("lambda")
    consumers = {name: stack.physical_id(name) for name, _ in template.queue_events()}
    with ThreadPoolExecutor(len(ANSWERED) + len(consumers)) as pool:
        calls: list[Future[object]] = [pool.submit(call, "GET", gateway_url + path) for path in ANSWERED]
        calls += [pool.submit(_consume_nothing, functions, *names) for names in consumers.items()]
        for each in calls:
            each.result()


def _consume_nothing(functions: "LambdaClient", name: str, physical_id: str) -> None:
    answer = functions.invoke(FunctionName=physical_id, Payload=b'{"Records": []}')
    if "FunctionError" in answer:
        error = json.loads(answer["Payload"].read())
        raise LocalCloudError(f"the function {name} does not work: {error.get('errorMessage', error)}")
