"""A CloudFormation stack: created or updated, waited for, and why it failed."""

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from local.aws import Endpoint
from local.errors import LocalCloudError

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import ParameterTypeDef, StackEventTypeDef, StackTypeDef

STACK_NAME = "task-service"
READY_WITHIN_SECONDS = 300.0
POLL_SECONDS = 0.1
# A stack in these states was never complete and takes no update.
STILLBORN = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED", "REVIEW_IN_PROGRESS")
UNCHANGED = "No updates are to be performed"


class Stack:
    """The service's stack in a cloud, whether it exists or not."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._cloudformation: CloudFormationClient = endpoint.client("cloudformation")

    def outputs(self) -> dict[str, str]:
        """The outputs of the stack, none while there is no stack."""
        found = self._find()
        outputs = found.get("Outputs", []) if found else []
        return {output["OutputKey"]: output["OutputValue"] for output in outputs}

    def physical_id(self, resource: str) -> str:
        """The cloud's own name of the resource with this logical id."""
        answer = self._cloudformation.describe_stack_resource(StackName=STACK_NAME, LogicalResourceId=resource)
        return answer["StackResourceDetail"]["PhysicalResourceId"]

    def parameters(self) -> dict[str, str]:
        """The values that the stack was deployed with."""
        found = self._find()
        parameters = found.get("Parameters", []) if found else []
        return {parameter["ParameterKey"]: parameter["ParameterValue"] for parameter in parameters}

    def template(self) -> Mapping[str, Any] | str:
        """The deployed template, parsed or as text, as CloudFormation gives it; empty without a stack."""
        if self._find() is None:
            return {}
        return self._cloudformation.get_template(StackName=STACK_NAME)["TemplateBody"]

    def remove_stillborn(self) -> None:
        """Delete what is left of a stack whose creation failed, because it can only be created anew."""
        found = self._find()
        if found is not None and found["StackStatus"] in STILLBORN:
            self._cloudformation.delete_stack(StackName=STACK_NAME)
            self._wait(lambda: self._find() is None)

    def apply(self, template_url: str, parameters: "list[ParameterTypeDef]") -> None:
        """Create the stack, or update it, and return when it is ready."""
        exists = self._find() is not None
        change = self._cloudformation.update_stack if exists else self._cloudformation.create_stack
        before = self._events()[0]["EventId"] if exists else None
        try:
            change(
                StackName=STACK_NAME,
                TemplateURL=template_url,
                Parameters=parameters,
                Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
            )
        except ClientError as error:
            message = error.response["Error"].get("Message", "")
            if UNCHANGED in message:
                return
            raise LocalCloudError(f"the template is refused: {message}") from error
        self._wait(lambda: not self._status().endswith("_IN_PROGRESS"))
        failure = self._failure(before)
        if failure or self._status() not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            reason = failure or "the cloud gives no reason"
            raise LocalCloudError(
                f"the deployment failed ({self._status()}): {reason}\n"
                f"If it goes on failing, delete the stack {STACK_NAME} and deploy again."
            )

    def _find(self) -> "StackTypeDef | None":
        try:
            stacks = self._cloudformation.describe_stacks(StackName=STACK_NAME)["Stacks"]
        except ClientError as error:
            if "does not exist" in error.response["Error"].get("Message", ""):
                return None
            raise
        return next((stack for stack in stacks if stack["StackStatus"] != "DELETE_COMPLETE"), None)

    def _status(self) -> str:
        found = self._find()
        return found["StackStatus"] if found else "DELETE_COMPLETE"

    def _events(self) -> "list[StackEventTypeDef]":
        """The events of the stack, the latest first."""
        return self._cloudformation.describe_stack_events(StackName=STACK_NAME)["StackEvents"]

    def _failure(self, before: str | None) -> str | None:
        """The first failure since an event; the rest is its consequence. LocalStack's status alone may hide it."""
        failure = None
        for event in self._events():
            if event["EventId"] == before:
                break
            status, reason = event.get("ResourceStatus", ""), event.get("ResourceStatusReason")
            if status in ("CREATE_FAILED", "UPDATE_FAILED") and reason:
                failure = f"{event.get('LogicalResourceId')}: {reason}"
        return failure

    def _wait(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + READY_WITHIN_SECONDS
        while not condition():
            if time.monotonic() > deadline:
                raise LocalCloudError(f"the stack is still {self._status()} after {READY_WITHIN_SECONDS:.0f} s")
            time.sleep(POLL_SECONDS)
