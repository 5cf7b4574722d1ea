"""Clients of AWS services, and the one place that maps their failures."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from task_service import VERSION
from task_service.domain.errors import Unavailable

T = TypeVar("T")

# Standard mode repeats throttled and failed requests with backoff. The timeouts keep a lost connection from using up a
# function's time. Types and tests check parameters, so botocore does not at every call; a fixed user agent spares it
# composing one for every call. The two save a fifth of a call's CPU time.
PATIENT: Final = Config(
    connect_timeout=2,
    read_timeout=5,
    retries={"mode": "standard", "total_max_attempts": 3},
    max_pool_connections=16,
    parameter_validation=False,
    user_agent=f"task-service/{VERSION}",
    s3={"addressing_style": "path"},
)

# For a caller that polls, and has an answer to give when its time is up: a request takes at most two seconds.
IMPATIENT: Final = PATIENT.merge(
    Config(connect_timeout=1, read_timeout=1, retries={"mode": "standard", "total_max_attempts": 1})
)


def session() -> botocore.session.Session:
    """A botocore session. boto3 makes its clients from one too, but takes half as long again to import."""
    return botocore.session.get_session()


def client(session: botocore.session.Session, service: str, config: Config = PATIENT) -> Any:
    """A client of `service`. botocore reads AWS_ENDPOINT_URL, the region and the keys from the environment."""
    return session.create_client(service, config=config)


def request(call: Callable[..., T], /, **parameters: Any) -> T:
    """Make an AWS request. Raises Unavailable if the service, or the way to it, fails.

    An answer that is about the request itself, such as a condition that does not hold, stays botocore's ClientError.
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
    """True if DynamoDB refused a write because its condition does not hold."""
    return error_code(error) == "ConditionalCheckFailedException"


# The codes that the same request would get again later.
_ABOUT_THE_REQUEST: Final = frozenset({"ConditionalCheckFailedException", "NoSuchKey", "ValidationException"})


def _service(call: Callable[..., object]) -> str:
    meta = getattr(getattr(call, "__self__", None), "meta", None)
    return str(meta.service_model.service_name) if meta is not None else "aws"
