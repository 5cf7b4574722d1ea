"""Clients of botocore, for what the hot path does not need: S3, Secrets Manager, Systems Manager.

Importing this module takes 100 ms: import it where it is used.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from task_service import VERSION
from task_service.adapters.aws.patience import PATIENT, Patience
from task_service.domain.errors import NotFound, Unavailable

T = TypeVar("T")


def session() -> botocore.session.Session:
    """A botocore session. boto3 makes its clients from one too, but takes half as long again to import."""
    return botocore.session.get_session()


def client(session: botocore.session.Session, service: str, patience: Patience = PATIENT) -> Any:
    """A client of `service`. botocore reads AWS_ENDPOINT_URL, the region and the keys from the environment."""
    config = Config(
        connect_timeout=patience.connect_seconds,
        read_timeout=patience.answer_seconds,
        # Repeats throttled and failed requests with backoff.
        retries={"mode": "standard", "total_max_attempts": patience.tries},
        max_pool_connections=16,
        # A fixed one, because botocore composes its own for every call.
        user_agent=f"task-service/{VERSION}",
        s3={"addressing_style": "path"},
    )
    return session.create_client(service, config=config)


def request(call: Callable[..., T], /, **parameters: Any) -> T:
    """Make an AWS request. Raises NotFound for an object that is not there, and Unavailable for any other failure."""
    try:
        return call(**parameters)
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", "unknown"))
        if code == "NoSuchKey":
            raise NotFound("it is no longer kept") from error
        raise Unavailable(f"{_service(call)}: {code}") from error
    except BotoCoreError as error:
        raise Unavailable(f"{_service(call)}: {type(error).__name__}") from error


def _service(call: Callable[..., object]) -> str:
    meta = getattr(getattr(call, "__self__", None), "meta", None)
    return str(meta.service_model.service_name) if meta is not None else "aws"
