"""What an emulator leaves out of a deployed template, set through the services' own APIs.

MiniStack deploys these without effect, LocalStack some of them:

- TimeToLiveSpecification of a table: nothing would ever expire;
- RecursiveLoop of a function: its chains function → queue → function would end after 16 rounds;
- ReservedConcurrentExecutions of a function: it would take more of the machine than it is given;
- MaximumConcurrency of a queue's trigger, when it is a parameter: MiniStack takes the number for a text, and polls
  the queue no more;
- GatewayResponses of a REST API: what the gateway itself refuses would have its error body, not ours
  (LocalStack has only their status).

Everything is read from the template. What cannot be set twice, or costs a deployment of the API, is set only where the
cloud does not have it yet.
"""

from typing import TYPE_CHECKING, Any

from local.aws import Endpoint
from local.stack import Stack
from local.template import API, FUNCTION, TABLE, Template

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_lambda import LambdaClient


def fill_gaps(endpoint: Endpoint, stack: Stack, template: Template) -> None:
    """Make the cloud keep what the template says."""
    parameters = stack.parameters()

    def values(member: Any) -> Any:
        return template.value(member, parameters)

    for name, properties in template.resources(TABLE):
        if specification := properties.get("TimeToLiveSpecification"):
            _expire(endpoint.client("dynamodb"), stack.physical_id(name), values(specification))
    functions: LambdaClient = endpoint.client("lambda")
    for name, properties in template.resources(FUNCTION):
        function = stack.physical_id(name)
        loop = properties.get("RecursiveLoop", "Terminate")
        functions.put_function_recursion_config(FunctionName=function, RecursiveLoop=loop)
        if (reserved := values(properties.get("ReservedConcurrentExecutions"))) is not None:
            functions.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=int(reserved))
    for name, event in template.queue_events():
        concurrency = event.get("ScalingConfig", {}).get("MaximumConcurrency")
        if concurrency is not None and not isinstance(concurrency, int):
            _scale(functions, stack.physical_id(name), int(values(concurrency)))
    for name, properties in template.resources(API):
        if responses := properties.get("GatewayResponses"):
            _answer(endpoint.client("apigateway"), stack.physical_id(name), values(responses))


def _expire(dynamodb: "DynamoDBClient", table: str, specification: Any) -> None:
    status = dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    enabled = status.get("TimeToLiveStatus") in ("ENABLED", "ENABLING")
    if enabled != specification["Enabled"]:
        dynamodb.update_time_to_live(TableName=table, TimeToLiveSpecification=specification)


def _scale(functions: "LambdaClient", function: str, concurrency: int) -> None:
    """Of the function's one queue, whatever the cloud says that it has: number and text look the same here."""
    for trigger in functions.list_event_source_mappings(FunctionName=function)["EventSourceMappings"]:
        functions.update_event_source_mapping(UUID=trigger["UUID"], ScalingConfig={"MaximumConcurrency": concurrency})


def _answer(gateway: Any, api: str, responses: dict[str, Any]) -> None:
    changed = False
    for kind, response in responses.items():
        headers = response.get("ResponseParameters", {}).get("Headers", {})
        wanted: dict[str, Any] = {
            "responseParameters": {f"gatewayresponse.header.{name}": value for name, value in headers.items()},
            "responseTemplates": response.get("ResponseTemplates", {}),
        }
        if status := response.get("StatusCode"):
            wanted["statusCode"] = str(status)
        kept = gateway.get_gateway_response(restApiId=api, responseType=kind)
        if any(kept.get(member) != value for member, value in wanted.items()):
            gateway.put_gateway_response(restApiId=api, responseType=kind, **wanted)
            changed = True
    if changed:
        for stage in gateway.get_stages(restApiId=api)["item"]:
            gateway.create_deployment(restApiId=api, stageName=stage["stageName"])
