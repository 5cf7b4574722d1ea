"""AWS clients, and one place that maps their failures."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from task_service import VERSION
from task_service.domain.errors import Unavailable

T = TypeVar("T")

# Standard mode repeats throttled and failed requests with backoff; the times keep a lost connection from eating the
# whole budget of a function. Parameters are checked by our types and tests, not at every call, and a user agent of our
# own is not composed anew for every call: together a fifth of what a call costs.
PATIENT: Final = Config(
    connect_timeout=2,
    read_timeout=5,
    retries={"mode": "standard", "total_max_attempts": 3},
    max_pool_connections=16,
    parameter_validation=False,
    user_agent=f"task-service/{VERSION}",
    s3={"addressing_style": "path"},
)

# For whoever asks again anyway, and has an answer to give when time is up: no request takes longer than two seconds.
IMPATIENT: Final = PATIENT.merge(
    Config(connect_timeout=1, read_timeout=1, retries={"mode": "standard", "total_max_attempts": 1})
)


def session() -> botocore.session.Session:
    """A botocore session: what boto3's clients are made of, at two thirds of its import time."""
    return botocore.session.get_session()


def client(session: botocore.session.Session, service: str, config: Config = PATIENT) -> Any:
    """A client of `service`, as boto3 would make it. AWS_ENDPOINT_URL and the region come from the environment."""
    return session.create_client(service, config=config)


def request(call: Callable[..., T], /, **parameters: Any) -> T:
    """Make an AWS request. Raises Unavailable for what is not the request's fault.

    Conditions that do not hold and other answers about the request itself are raised as botocore's ClientError.
    """
    try:
        return call(**parameters)
    except ClientError as error:
        if error_code(error) in _ABOUT_THE_REQUEST:
            raise
        raise Unavailable(f"{_service(call)}: {error_code(error)}") from error
    except BotoCoreError as error:
        raise Unavailable(f"{_service(call)}: {type(error).__name__}") from error


def error_code(error: ClientError) -> str:
    """The machine-readable code of an AWS error."""
    return str(error.response.get("Error", {}).get("Code", "unknown"))


def is_condition_failure(error: ClientError) -> bool:
    """Whether DynamoDB refused a write because its condition did not hold."""
    return error_code(error) == "ConditionalCheckFailedException"


# The same request later would get the same answer.
_ABOUT_THE_REQUEST: Final = frozenset({"ConditionalCheckFailedException", "NoSuchKey"})


def _service(call: Callable[..., object]) -> str:
    meta = getattr(getattr(call, "__self__", None), "meta", None)
    return str(meta.service_model.service_name) if meta is not None else "aws"
